#include "sensor/spool_watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/log.h"
#include "sensor/shared_view.h"
#include "sensor/mta.h"

#define ASK_EVERY_US (US_PER_S / 2)
#define ASK_IDLE_US (2 * US_PER_S)
#define IDLE_RATIO 0.8 /* a file system fuller than this is read as often as under pressure */
#define DEVICE_EVERY_US (30 * US_PER_S)
#define FIND_EVERY_US (10 * US_PER_S)
/* Limits of one walk: entries and time. The next walk waits until walking takes at most one part in
 * 200 of a CPU, and one in 20 of the time. */
#define WALK_ENTRIES 1000000u
#define WALK_STAT_CALLS 50000u
#define WALK_TIME_US (5 * US_PER_S)
#define WALK_CPU_PART 200
#define WALK_TIME_PART 20
#define WALK_MIN_US US_PER_S
#define WALK_MAX_US (120 * US_PER_S)

struct spool_watch {
	struct sensor_env env;
	struct shared_view view;
	struct spool found; /* under the lock of the view */
	/* used only by the thread */
	struct spool next;
	struct mta mta;
	bool configured;
	uint64_t found_us, device_us;
};

static const struct {
	/* name of the server; name of its process; part of its unit's name */
	const char *mta, *comm, *unit;
	const char *dir[2];
} places[] = {
	{ "Postfix", "master", "postfix", { "/var/spool/postfix" } },
	{ "Exim", "exim", "exim", { "/var/spool/exim4", "/var/spool/exim" } },
	{ "Sendmail", "sendmail", "sendmail", { "/var/spool/mqueue" } },
	{ "OpenSMTPD", "smtpd", "opensmtpd", { "/var/spool/smtpd" } },
};

#define PLACES ARRAY_SIZE(places)

static unsigned add_existing(unsigned place, char dirs[][CONFIG_PATH_MAX], unsigned n,
			     unsigned most)
{
	for (unsigned i = 0; i < 2 && places[place].dir[i]; i++)
		if (n < most && access(places[place].dir[i], F_OK) == 0)
			snprintf(dirs[n++], CONFIG_PATH_MAX, "%s", places[place].dir[i]);
	return n;
}

/* The queue directories of an MTA, by the name of its process or unit. Puts at most `most` paths
 * into `dirs` and returns how many. */
static unsigned default_dirs(const char *comm, const char *unit, char dirs[][CONFIG_PATH_MAX],
			     unsigned most)
{
	unsigned n = 0;

	for (unsigned i = 0; i < PLACES; i++)
		if (unit[0] && strstr(unit, places[i].unit))
			return add_existing(i, dirs, 0, most);
	for (unsigned i = 0; i < PLACES; i++)
		if (comm[0] && strncmp(comm, places[i].comm, strlen(places[i].comm)) == 0)
			return add_existing(i, dirs, 0, most);
	/* A known server has its own queue, and another directory is not its. An unknown server may
	 * use any of them. */
	for (unsigned i = 0; i < PLACES && !comm[0] && !unit[0]; i++)
		n = add_existing(i, dirs, n, most);
	return n;
}

/* The working directory of Postfix' master is the queue directory. */
static bool postfix_stands_in(const struct mta *m, char *ret)
{
	char path[64];
	ssize_t n;

	if (m->pid <= 0 || strcmp(m->comm, "master") != 0)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/cwd", m->pid);
	n = readlink(path, ret, CONFIG_PATH_MAX - 1);
	if (n <= 0)
		return false;
	ret[n] = 0;
	return ret[0] == '/' && queue_detect(ret) == QUEUE_POSTFIX;
}

static void find_dirs(struct spool_watch *w, uint64_t now_us)
{
	struct spool *s = &w->next;
	unsigned before = s->dirs;

	if (w->configured || (w->found_us && now_us - w->found_us < FIND_EVERY_US))
		return;
	mta_watch_read(w->env.mta, w->mta.generation, &w->mta);
	if (w->mta.generation == 0 && w->env.mta)
		return; /* not looked yet */
	w->found_us = now_us;
	s->dirs = 0;
	if (postfix_stands_in(&w->mta, s->dir[0]))
		s->dirs = 1;
	else
		s->dirs = default_dirs(w->mta.comm,
				       w->mta.count ? mta_group_home(&w->mta.group[0]) : "", s->dir,
				       SPOOL_DIRS);
	if (!s->dirs)
		snprintf(s->why, sizeof(s->why),
			 "no queue directory is configured (service.NAME.queue_dirs) or found");
	if (s->dirs != before) {
		w->device_us = 0;
		for (unsigned i = 0; i < s->dirs; i++)
			log_info("the mail server's queue is taken to be %s", s->dir[i]);
	}
}

static void ask_space(struct spool *s)
{
	struct spool_space now = { .free_bytes = -1, .free_inodes = -1 };

	for (unsigned i = 0; i < s->dirs; i++) {
		struct statvfs v;
		double blocks, available;

		if (statvfs(s->dir[i], &v) < 0) {
			now.error = -errno;
			snprintf(now.failed, sizeof(now.failed), "%s", s->dir[i]);
			continue;
		}
		blocks = (double)(v.f_blocks - v.f_bfree + v.f_bavail);
		available = (double)v.f_bavail * (double)v.f_frsize;
		if (blocks > 0 && 1 - (double)v.f_bavail / blocks > now.used_ratio)
			now.used_ratio = 1 - (double)v.f_bavail / blocks;
		if (now.free_bytes < 0 || available < now.free_bytes)
			now.free_bytes = available;
		/* btrfs and others have no fixed number of inodes: f_files is 0. */
		if (v.f_files == 0)
			continue;
		if (1 - (double)v.f_favail / (double)v.f_files > now.inodes_ratio)
			now.inodes_ratio = 1 - (double)v.f_favail / (double)v.f_files;
		if (now.free_inodes < 0 || (double)v.f_favail < now.free_inodes)
			now.free_inodes = (double)v.f_favail;
	}
	if (now.free_bytes >= 0) {
		now.asked_us = clock_monotonic_us();
		s->space = now;
	} else {
		s->space.error = now.error;
		memcpy(s->space.failed, now.failed, sizeof(now.failed));
	}
}

static void say_why(struct spool_queue *q, const char *dir, int r)
{
	q->error = r;
	if (r == -EACCES || r == -EPERM)
		snprintf(
			q->why, sizeof(q->why),
			"the queue in %.40s may not be read: give penstockd CAP_DAC_READ_SEARCH or the queue's group, see penstockd(8)",
			dir);
	else if (r == -EMEDIUMTYPE)
		snprintf(q->why, sizeof(q->why), "%.60s has the layout of no MTA that is known",
			 dir);
	else
		snprintf(q->why, sizeof(q->why), "%.80s: %s", dir, strerror(-r));
}

/* Walks all directories, if that is due. */
static void walk_queue(struct spool_watch *w, uint64_t now_us)
{
	const struct queue_bounds bounds = { .entries = WALK_ENTRIES,
					     .stat_calls = WALK_STAT_CALLS,
					     .time_us = WALK_TIME_US,
					     .stop = worker_stop(w->env.spool_worker) };
	struct spool *s = &w->next;
	struct queue_figures sum = { 0 };
	uint64_t cpu_us = clock_read_us(CLOCK_THREAD_CPUTIME_ID), wait_us;
	unsigned good = 0;

	if (s->queue.interval_us && now_us < s->queue.walked_us + s->queue.interval_us)
		return;
	s->queue.error = 0;
	for (unsigned i = 0; i < s->dirs; i++) {
		int r = queue_walk(s->dir[i], clock_realtime_us(), &bounds, &sum);

		if (r == 0)
			good++;
		else
			say_why(&s->queue, s->dir[i], r);
	}
	cpu_us = clock_read_us(CLOCK_THREAD_CPUTIME_ID) - cpu_us;
	s->queue.walked_us = clock_monotonic_us();
	wait_us = (s->queue.walked_us - now_us) * WALK_TIME_PART;
	if (cpu_us * WALK_CPU_PART > wait_us)
		wait_us = cpu_us * WALK_CPU_PART;
	s->queue.interval_us = wait_us < WALK_MIN_US   ? WALK_MIN_US
			       : wait_us > WALK_MAX_US ? WALK_MAX_US
						       : wait_us;
	if (good && !*bounds.stop) {
		s->queue.figures = sum;
		s->queue.error = 0;
		s->queue.why[0] = 0;
	}
}

static void find_devices(struct spool_watch *w, uint64_t now_us)
{
	struct spool_device sum = { 0 }, one;

	if (w->device_us && now_us - w->device_us < DEVICE_EVERY_US)
		return;
	w->device_us = now_us;
	w->next.file_systems = 0;
	for (unsigned i = 0; i < w->next.dirs; i++) {
		struct stat st;

		if (stat(w->next.dir[i], &st) == 0)
			w->next.file_system[w->next.file_systems++] = st.st_dev;
		if (spool_device_find(w->env.proc_fd, w->env.sys_fd, w->next.dir[i], &one) == 0)
			memcpy(sum.chain, one.chain, sizeof(sum.chain));
		else
			memcpy(sum.why, one.why, sizeof(sum.why));
		spool_device_add(&sum, &one);
	}
	if (sum.count && strcmp(sum.chain, w->next.device.chain) != 0)
		log_info("the mail server's queue lies on %s", sum.chain);
	w->next.device = sum;
}

static void look(struct spool_watch *w)
{
	uint64_t now_us = clock_monotonic_us();

	find_dirs(w, now_us);
	if (!w->next.dirs) {
		memset(&w->next.space, 0, sizeof(w->next.space));
		memset(&w->next.queue, 0, sizeof(w->next.queue));
		w->next.device.count = 0;
		return;
	}
	ask_space(&w->next);
	if (*worker_stop(w->env.spool_worker))
		return; /* the thread may have been left behind, with its descriptors closed */
	find_devices(w, now_us);
	/* Publishes what is known before the slow part begins. */
	shared_view_put(&w->view, &w->found, &w->next, sizeof(w->found));
	walk_queue(w, now_us);
}

static uint64_t look_again(void *context, bool idle)
{
	struct spool_watch *w = context;
	const struct spool_space *space = &w->next.space;

	look(w);
	shared_view_put(&w->view, &w->found, &w->next, sizeof(w->found));
	if (!w->next.dirs)
		return ASK_IDLE_US;
	return idle && space->used_ratio < IDLE_RATIO && space->inodes_ratio < IDLE_RATIO
		       ? ASK_IDLE_US
		       : ASK_EVERY_US;
}

int spool_watch_open(const struct sensor_env *env, struct spool_watch **ret_watch, char *why)
{
	struct spool_watch *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	w->env = *env;
	for (unsigned i = 0; i < env->config->services; i++)
		for (unsigned q = 0;
		     q < CONFIG_QUEUE_DIRS && env->config->service[i].queue_dirs[q][0]; q++)
			memcpy(w->next.dir[w->next.dirs++], env->config->service[i].queue_dirs[q],
			       CONFIG_PATH_MAX);
	w->configured = w->next.dirs > 0;
	r = shared_view_open(&w->view, env->spool_worker, look_again, w,
			     "looks at the queue directories", why);
	if (r < 0) {
		free(w);
		return r;
	}
	*ret_watch = w;
	return 0;
}

bool spool_watch_read(struct spool_watch *w, struct spool *ret)
{
	return w && shared_view_get(&w->view, &w->found, ret, sizeof(*ret));
}

void spool_watch_close(struct spool_watch *w)
{
	if (!w || !shared_view_close(&w->view, w))
		return;
	free(w);
}
