/* The MTA's own control groups (one, or one for each service): CPU used, stalls (PSI), I/O, memory
 * without page cache against the limits above it, and what the kernel did at these limits. mta.c
 * finds the MTA. Files are kept open and read with pread(). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/readfile.h"
#include "kernel/kernel.h"
#include "sensor/mta.h"
#include "sensor/mta_events.h"
#include "sensor/proc_file.h"
#include "sensor/procparse.h"
#include "sensor/sensors.h"

enum { STALL_CPU, STALL_IO, STALL_MEMORY, STALLS };

static const char *const stall_files[STALLS] = { "cpu.pressure", "io.pressure", "memory.pressure" };
static const enum signal stall_signals[STALLS] = { SIGNAL_MTA_CPU_STALL_RATIO,
						   SIGNAL_MTA_IO_STALL_RATIO,
						   SIGNAL_MTA_MEM_STALL_RATIO };

struct memory_files {
	int stat, current, limit, high;
};

/* The last value of a counter in a file, to get a difference. */
struct counter {
	uint64_t last;
	bool primed;
};

struct group {
	int cpu_fd, stall_fd[STALLS], io_fd, ios_fd;
	struct memory_files memory[MTA_LIMITS];
	struct counter cpu, stall[STALLS], io_bytes, ios;
};

struct cgroup {
	struct mta_watch *watch;
	int cgroup_fd;
	struct proc_file *meminfo; /* NULL: cannot be read */
	struct mta mta;
	struct group group[MTA_GROUPS];
	struct mta_group opened_group[MTA_GROUPS]; /* open files of `group`, and their inodes */
	ino_t opened[MTA_GROUPS];
	unsigned opened_count;
	struct mta_events events; /* of the first group */
	/* measures the first group's run-queue latency; NULL: not possible */
	struct kernel *kernel;
	uint64_t last_us;
};

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void clear_group(struct group *g)
{
	memset(g, 0, sizeof(*g));
	g->cpu_fd = g->io_fd = g->ios_fd = -1;
	for (int i = 0; i < STALLS; i++)
		g->stall_fd[i] = -1;
	for (int i = 0; i < MTA_LIMITS; i++)
		g->memory[i] = (struct memory_files){ -1, -1, -1, -1 };
}

static void close_group(struct group *g)
{
	close_fd(&g->cpu_fd);
	close_fd(&g->io_fd);
	close_fd(&g->ios_fd);
	for (int i = 0; i < STALLS; i++)
		close_fd(&g->stall_fd[i]);
	for (int i = 0; i < MTA_LIMITS; i++) {
		close_fd(&g->memory[i].stat);
		close_fd(&g->memory[i].current);
		close_fd(&g->memory[i].limit);
		close_fd(&g->memory[i].high);
	}
	clear_group(g);
}

static int open_in(const struct cgroup *s, const char *directory, const char *file)
{
	char path[CONFIG_PATH_MAX + 64];

	if (!directory[0])
		return -1;
	snprintf(path, sizeof(path), "%s/%s", directory, file);
	return openat(s->cgroup_fd, path, O_RDONLY | O_CLOEXEC);
}

static void open_group(struct cgroup *s, struct group *g, const struct mta_group *m)
{
	const char *v1_bytes = "blkio.throttle.io_service_bytes_recursive",
		   *v1_ios = "blkio.throttle.io_serviced_recursive";

	g->cpu_fd = open_in(s, m->cpu, m->cpu_v1 ? "cpuacct.usage" : "cpu.stat");
	for (int i = 0; i < STALLS; i++)
		g->stall_fd[i] = open_in(s, m->unified, stall_files[i]);
	g->io_fd = open_in(s, m->io, m->io_v1 ? v1_bytes : "io.stat");
	if (m->io_v1)
		g->ios_fd = open_in(s, m->io, v1_ios);
	for (int i = 0; i < MTA_LIMITS && m->memory[i][0]; i++) {
		struct memory_files *f = &g->memory[i];

		f->stat = open_in(s, m->memory[i], "memory.stat");
		f->current = open_in(s, m->memory[i],
				     m->memory_v1 ? "memory.usage_in_bytes" : "memory.current");
		f->limit = open_in(s, m->memory[i],
				   m->memory_v1 ? "memory.limit_in_bytes" : "memory.max");
		if (!m->memory_v1)
			f->high = open_in(s, m->memory[i], "memory.high");
	}
	log_info("the mail server's control group is %s",
		 mta_group_home(m) + (strncmp(mta_group_home(m), "./", 2) == 0));
}

/* The id of a cgroup2 directory, as BPF sees it, is its inode. */
static void watch_run_queue(struct cgroup *s)
{
	struct stat st;

	if (!s->kernel)
		return;
	if (s->mta.count && s->mta.group[0].unified[0] &&
	    fstatat(s->cgroup_fd, s->mta.group[0].unified, &st, 0) == 0)
		kernel_runq_cgroup(s->kernel, st.st_ino);
	else
		kernel_runq_cgroup(s->kernel, 0);
}

/* In a server that forks, the first process changes every few seconds. Open files then stay open,
 * since rates need two readings of the same file. A group created again under the same name has
 * another inode. */
static bool same_groups(const struct cgroup *s)
{
	struct stat st;

	for (unsigned i = 0; i < s->mta.count; i++)
		if (i >= s->opened_count ||
		    fstatat(s->cgroup_fd, mta_group_home(&s->mta.group[i]), &st, 0) < 0 ||
		    st.st_ino != s->opened[i] ||
		    memcmp(&s->mta.group[i], &s->opened_group[i], sizeof(s->opened_group[i])) != 0)
			return false;
	return s->mta.count == s->opened_count;
}

static void open_files(struct cgroup *s)
{
	struct stat st;

	for (unsigned i = 0; i < MTA_GROUPS; i++)
		close_group(&s->group[i]);
	mta_events_close(&s->events);
	for (unsigned i = 0; i < s->mta.count; i++) {
		open_group(s, &s->group[i], &s->mta.group[i]);
		s->opened[i] = fstatat(s->cgroup_fd, mta_group_home(&s->mta.group[i]), &st, 0) < 0
				       ? 0
				       : st.st_ino;
		s->opened_group[i] = s->mta.group[i];
	}
	s->opened_count = s->mta.count;
	if (s->mta.count && s->mta.group[0].memory[0][0])
		mta_events_open(&s->events, s->cgroup_fd, s->mta.group[0].memory[0],
				s->mta.group[0].memory_v1);
	watch_run_queue(s);
}

static int cgroup_open(const struct sensor_env *env, void **ret_state, char *why)
{
	struct cgroup *s;

	if (env->cgroup_fd < 0 || env->proc_fd < 0) {
		snprintf(why, SENSOR_WHY_MAX, "there is no /sys/fs/cgroup");
		return -ENOENT;
	}
	if (!env->mta) {
		snprintf(why, SENSOR_WHY_MAX,
			 "Cannot create the thread that looks for the mail server");
		return -EAGAIN;
	}
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->cgroup_fd = env->cgroup_fd;
	/* Without it only the limits of the groups count. */
	proc_file_open(env, "meminfo", PROCPARSE_MEMINFO_SIZE, &s->meminfo, why);
	why[0] = 0;
	s->watch = env->mta;
	s->kernel = env->kernel;
	mta_events_init(&s->events);
	for (unsigned i = 0; i < MTA_GROUPS; i++)
		clear_group(&s->group[i]);
	*ret_state = s;
	return 0;
}

/* Growth since the last reading; -1: this is the first one, or the counter went back. */
static double step(struct counter *c, uint64_t now)
{
	double delta = c->primed && now >= c->last ? (double)(now - c->last) : -1;

	c->last = now;
	c->primed = true;
	return delta;
}

/* CPU time used since the last reading, us; -1: not known. */
static double read_cpu(struct group *g, bool v1)
{
	char content[1024];
	uint64_t now;

	if (g->cpu_fd < 0 || readfile_once(g->cpu_fd, content, sizeof(content)) <= 0 ||
	    procparse_cpu_used(content, v1, &now) < 0) {
		g->cpu.primed = false;
		return -1;
	}
	return step(&g->cpu, now);
}

static double read_stall(struct group *g, int i)
{
	char content[512];
	uint64_t now;

	if (g->stall_fd[i] < 0 || readfile_once(g->stall_fd[i], content, sizeof(content)) <= 0 ||
	    procparse_psi_some(content, &now) < 0) {
		g->stall[i].primed = false;
		return -1;
	}
	return step(&g->stall[i], now);
}

static int read_io(const struct group *g, bool v1, struct procparse_io *ret)
{
	char content[4096];
	int r;

	r = g->io_fd < 0 ? -ENOENT : readfile_once(g->io_fd, content, sizeof(content));
	if (r < 0 && r != -EFBIG)
		return r;
	if (!v1)
		return procparse_io_stat(content, ret);
	procparse_blkio(content, &ret->bytes);
	r = g->ios_fd < 0 ? -ENOENT : readfile_once(g->ios_fd, content, sizeof(content));
	if (r < 0 && r != -EFBIG)
		return r;
	return procparse_blkio(content, &ret->ios);
}

/* Memory that is not page cache: what the kernel cannot drop to make room. */
static int read_memory(const struct memory_files *f, bool v1, double *ret_used, double *ret_limit)
{
	char content[8192], number[64];
	uint64_t current, limit = UINT64_MAX, high, inactive = 0, active = 0;
	int r;

	r = readfile_once(f->current, number, sizeof(number));
	if (r <= 0)
		return -EIO;
	current = strtoull(number, NULL, 10);
	r = readfile_once(f->stat, content, sizeof(content));
	if (r <= 0 && r != -EFBIG)
		return -EIO;
	readfile_field_u64(content, v1 ? "total_inactive_file" : "inactive_file", &inactive);
	readfile_field_u64(content, v1 ? "total_active_file" : "active_file", &active);
	if (f->limit >= 0 && readfile_once(f->limit, number, sizeof(number)) > 0 &&
	    number[0] != 'm')
		limit = strtoull(number, NULL, 10);
	/* Above memory.high the kernel slows every allocation down, so it is a limit as well. */
	if (f->high >= 0 && readfile_once(f->high, number, sizeof(number)) > 0 &&
	    number[0] != 'm') {
		high = strtoull(number, NULL, 10);
		limit = high < limit ? high : limit;
	}
	*ret_used = current > inactive + active ? (double)(current - inactive - active) : 0;
	*ret_limit = limit < UINT64_C(1) << 60 ? (double)limit : -1;
	return 0;
}

/* Sums over the MTA's groups; stalls and use are those of the worst. -1: not known. */
struct sums {
	double cpu_us, stall_us[STALLS], io_bytes, ios;
	double memory, limit, room, worst;
};

static void add(double *sum, double value)
{
	if (value >= 0)
		*sum = (*sum < 0 ? 0 : *sum) + value;
}

static void read_limits(const struct group *g, bool v1, struct sums *sum)
{
	double used, limit;

	for (int i = 0; i < MTA_LIMITS && g->memory[i].stat >= 0; i++) {
		if (read_memory(&g->memory[i], v1, &used, &limit) < 0)
			continue;
		if (i == 0)
			add(&sum->memory, used);
		if (limit <= 0)
			continue;
		if (sum->limit < 0 || limit < sum->limit)
			sum->limit = limit;
		if (sum->room < 0 || limit - used < sum->room)
			sum->room = limit > used ? limit - used : 0;
		if (used / limit > sum->worst)
			sum->worst = used / limit;
	}
}

static void read_group(struct group *g, const struct mta_group *m, struct sums *sum)
{
	struct procparse_io io;

	add(&sum->cpu_us, read_cpu(g, m->cpu_v1));
	for (int i = 0; i < STALLS; i++) {
		double stall = read_stall(g, i);

		sum->stall_us[i] = stall > sum->stall_us[i] ? stall : sum->stall_us[i];
	}
	if (read_io(g, m->io_v1, &io) == 0) {
		add(&sum->io_bytes, step(&g->io_bytes, io.bytes));
		add(&sum->ios, step(&g->ios, io.ios));
	}
	read_limits(g, m->memory_v1, sum);
}

/* The memory of the machine is a limit, too. sensor_memory puts it only if this sensor does not, so
 * take the smaller of the two here. */
static void put_room(struct cgroup *s, double room, uint64_t now_us, struct sample *sample)
{
	char content[PROCPARSE_MEMINFO_SIZE], why[SENSOR_WHY_MAX];
	uint64_t all, available, read_us;

	if (room < 0)
		return;
	if (s->meminfo &&
	    proc_file_read(s->meminfo, now_us, content, sizeof(content), &read_us, why) > 0 &&
	    procparse_meminfo(content, &all, &available) == 0 && (double)available < room)
		room = (double)available;
	sample_put(sample, SIGNAL_MEM_AVAILABLE_BYTES, room, VIA_CGROUP);
}

static void put_sums(const struct sums *sum, double dt_us, struct sample *sample)
{
	sample_put(sample, SIGNAL_MTA_MEM_BYTES, sum->memory, VIA_CGROUP);
	sample_put(sample, SIGNAL_MTA_MEM_LIMIT_BYTES, sum->limit, VIA_CGROUP);
	sample_put(sample, SIGNAL_MTA_MEM_USED_RATIO, sum->worst, VIA_CGROUP);
	if (dt_us <= 0)
		return;
	sample_put(sample, SIGNAL_MTA_CPU_CORES, sum->cpu_us < 0 ? -1 : sum->cpu_us / dt_us,
		   VIA_CGROUP);
	for (int i = 0; i < STALLS; i++) {
		double ratio = sum->stall_us[i] / dt_us;

		sample_put(sample, stall_signals[i], ratio > 1 ? 1 : ratio, VIA_CGROUP);
	}
	sample_put(sample, SIGNAL_MTA_IO_BYTES_PER_S, sum->io_bytes / dt_us * 1e6, VIA_CGROUP);
	sample_put(sample, SIGNAL_MTA_IOS_PER_S, sum->ios / dt_us * 1e6, VIA_CGROUP);
}

static int cgroup_poll(void *state, uint64_t now_us, struct sample *sample, struct load *load,
		       char *why)
{
	struct cgroup *s = state;
	double dt_us = s->last_us && now_us > s->last_us ? (double)(now_us - s->last_us) : 0;
	struct sums sum = { .cpu_us = -1,
			    .stall_us = { -1, -1, -1 },
			    .io_bytes = -1,
			    .ios = -1,
			    .memory = -1,
			    .limit = -1,
			    .room = -1,
			    .worst = -1 };

	if (mta_watch_read(s->watch, s->mta.generation, &s->mta) && !same_groups(s))
		open_files(s);
	s->last_us = now_us;
	if (s->mta.cores > 0)
		sample_put(sample, SIGNAL_MTA_CORES, s->mta.cores, VIA_CGROUP);
	if (s->mta.count == 0) {
		snprintf(why, SENSOR_WHY_MAX, "%s", s->mta.why);
		return 0; /* not a failure: other sensors replace it */
	}
	for (unsigned i = 0; i < s->mta.count; i++)
		read_group(&s->group[i], &s->mta.group[i], &sum);
	put_sums(&sum, dt_us, sample);
	put_room(s, sum.room, now_us, sample);
	mta_events_poll(&s->events, now_us, sample);
	return 0;
}

static void cgroup_close(void *state)
{
	struct cgroup *s = state;

	for (unsigned i = 0; i < MTA_GROUPS; i++)
		close_group(&s->group[i]);
	mta_events_close(&s->events);
	proc_file_close(s->meminfo);
	if (s->kernel)
		kernel_runq_cgroup(s->kernel, 0);
	free(s);
}

static const enum signal cgroup_signals[] = {
	SIGNAL_MTA_CORES,	    SIGNAL_MTA_CPU_CORES,
	SIGNAL_MTA_CPU_STALL_RATIO, SIGNAL_MTA_IO_STALL_RATIO,
	SIGNAL_MTA_MEM_STALL_RATIO, SIGNAL_MTA_MEM_BYTES,
	SIGNAL_MTA_MEM_LIMIT_BYTES, SIGNAL_MTA_MEM_USED_RATIO,
	SIGNAL_MEM_AVAILABLE_BYTES, SIGNAL_MTA_IO_BYTES_PER_S,
	SIGNAL_MTA_IOS_PER_S,	    SIGNAL_MTA_LIMIT_HITS_PER_S,
	SIGNAL_MTA_OOM_KILLS,	    SIGNAL__COUNT
};
const struct sensor_ops sensor_cgroup = { .name = "cgroup",
					  .provides = cgroup_signals,
					  .open = cgroup_open,
					  .poll = cgroup_poll,
					  .close = cgroup_close,
					  .steers = true,
					  .budget_us_per_s = 100 };
