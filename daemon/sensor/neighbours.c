#include "sensor/neighbours.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/descriptors.h"
#include "base/readfile.h"
#include "base/text.h"
#include "core/attribution.h"
#include "core/smooth.h"
#include "kernel/fsync_groups.h"
#include "sensor/group_fsyncs.h"
#include "sensor/group_read.h"
#include "sensor/leak.h"
#include "sensor/shared_view.h"
#include "sensor/mta.h"
#include "sensor/proc_file.h"
#include "sensor/procparse.h"
#include "sensor/sensor.h"

#define REBUILD_EVERY_US (5 * US_PER_S)
/* The readings take at most 1/CPU_PART of a CPU: if they cost more, there are fewer of them. */
#define CPU_PART 500
#define FIRST_US US_PER_S /* rates need two readings */
#define REST_MIN_US (2 * US_PER_S) /* a trend needs a reading each 2 s */
#define REST_MAX_US (10 * US_PER_S)
#define DESCRIPTORS_LEFT 512 /* left for all other parts of this process */
#define DESCRIPTORS_A_GROUP 5
/* A group that uses less is not named. */
#define FLOOR_CORES 0.05
#define FLOOR_SHARE 0.05 /* the same for memory and I/O: of the use of all groups */

struct neighbour_watch {
	struct sensor_env env;
	struct shared_view view;
	struct neighbours seen; /* under the lock of the view */
	/* used only by the thread */
	struct mta mta;
	struct proc_file *meminfo; /* NULL: cannot be read */
	struct group_tree cpu, memory, io;
	struct fsync_groups *fsyncs; /* NULL: not known */
	bool cpu_v1, memory_v1, io_v1;
	unsigned most; /* how many groups are read */
	uint64_t rebuilt_us, last_us, root_cpu_us;
	bool root_primed;
	double root_cores;
	struct attribution_group tree[GROUPS_MAX];
	double scratch[GROUPS_MAX];
};

/* Reads the CPU time used by all groups, and outside of any. */
static void read_root(struct neighbour_watch *w, double dt_s)
{
	char path[64], content[1024];
	uint64_t now;

	snprintf(path, sizeof(path), "%s/%s", w->cpu.root, w->cpu.files[0]);
	if (readfile_at(w->env.cgroup_fd, path, content, sizeof(content)) <= 0 ||
	    procparse_cpu_used(content, w->cpu_v1, &now) < 0) {
		w->root_primed = false;
		w->root_cores = -1;
		return;
	}
	if (w->root_primed && dt_s > 0 && now >= w->root_cpu_us) {
		double cores = (double)(now - w->root_cpu_us) / 1e6 / dt_s;

		if (w->root_cores < 0)
			w->root_cores = cores;
		else
			smooth_step(&w->root_cores, cores, dt_s, GROUP_TAU_S);
	}
	w->root_cpu_us = now;
	w->root_primed = true;
}

/* ---- names ---------------------------------------------------------------------------------- */

/* Copies the printable part of a name: the creator of the group chose it. */
static void copy_clean(char *ret, size_t size, const char *name)
{
	struct text text = { .data = ret, .size = size };

	ret[0] = 0;
	text_append_clean(&text, name, strlen(name));
}

/* The name for people: the last part of the path. */
static void name(const struct group_tree *t, const struct group_node *n, char *path, char *unit,
		 size_t unit_size)
{
	copy_clean(path, NEIGHBOUR_PATH_MAX, n->path + strlen(t->root));
	copy_clean(unit, unit_size, group_node_name(n));
}

static bool is_mail(const struct neighbour_watch *w, const char *path)
{
	for (unsigned i = 0; i < w->mta.count; i++)
		if (strcmp(path, w->mta.group[i].unified) == 0 ||
		    strcmp(path, w->mta.group[i].cpu) == 0 ||
		    strcmp(path, w->mta.group[i].memory[0]) == 0 ||
		    strcmp(path, w->mta.group[i].io) == 0)
			return true;
	return false;
}

/* What all groups at the top use together, including the mail server's. */
static double used_by_all(const struct group_tree *t)
{
	double sum = 0;

	for (unsigned i = 0; i < t->count; i++)
		if (t->node[i].parent < 0)
			sum += fmax(0, t->node[i].use);
	return sum;
}

/* What the mail server uses; -1: not known. */
static double used_by_mail(const struct neighbour_watch *w, const struct group_tree *t)
{
	double sum = -1;

	for (unsigned i = 0; i < t->count; i++) {
		bool counts = is_mail(w, t->node[i].path) && t->node[i].use >= 0;

		for (int up = t->node[i].parent; counts && up >= 0; up = t->node[up].parent)
			counts = !is_mail(w, t->node[up].path);
		if (counts)
			sum = fmax(sum, 0) + t->node[i].use;
	}
	return sum;
}

static void find_who(struct neighbour_watch *w, const struct group_tree *t, double total,
		     double floor, struct neighbour *ret)
{
	struct attribution b;

	memset(ret, 0, sizeof(*ret));
	for (unsigned i = 0; i < t->count; i++)
		w->tree[i] = (struct attribution_group){ .name = group_node_name(&t->node[i]),
							 .parent = t->node[i].parent,
							 .use = fmax(0, t->node[i].use),
							 .mail = is_mail(w, t->node[i].path) ||
								 attribution_is_own(group_node_name(
									 &t->node[i])) };
	b = attribution_find(w->tree, t->count, total, floor, w->scratch);
	if (b.who == ATTRIBUTION_NONE)
		return;
	ret->known = true;
	ret->use = b.use;
	ret->share = b.share;
	if (b.who == ATTRIBUTION_OUTSIDE) {
		snprintf(ret->path, sizeof(ret->path), "/");
		snprintf(ret->unit, sizeof(ret->unit), "%s", NEIGHBOUR_OUTSIDE);
		return;
	}
	name(t, &t->node[b.who], ret->path, ret->unit, sizeof(ret->unit));
}

static void find_leak(const struct neighbour_watch *w, double available, struct leak *ret)
{
	const struct group_tree *t = &w->memory;
	struct leak_found found;

	memset(ret, 0, sizeof(*ret));
	if (!leak_find(t, w->memory_v1, w->env.cgroup_fd, available, &found))
		return;
	name(t, &t->node[found.who], ret->path, ret->unit, sizeof(ret->unit));
	ret->known = true;
	ret->mail = is_mail(w, t->node[found.who].path);
	ret->bytes = t->node[found.who].use;
	ret->growth_per_s = found.growth_per_s;
	ret->seen_s = found.seen_s;
	ret->left_s = found.left_s;
}

/* ---- the thread ----------------------------------------------------------------------------- */

static double available_bytes(const struct neighbour_watch *w, uint64_t now_us)
{
	char content[PROCPARSE_MEMINFO_SIZE], why[SENSOR_WHY_MAX];
	uint64_t all, available, read_us;

	if (!w->meminfo ||
	    proc_file_read(w->meminfo, now_us, content, sizeof(content), &read_us, why) <= 0 ||
	    procparse_meminfo(content, &all, &available) < 0)
		return INFINITY;
	return (double)available;
}

/* Whether some directory of the hierarchy has the file. The root itself often lacks it. */
static bool hierarchy_has(int cgroup_fd, const char *root, const char *file)
{
	static const char *const none[GROUP_FILES];
	struct group_tree probe;
	bool found = false;
	char path[GROUP_PATH_MAX + 64];

	if (group_tree_init(&probe, cgroup_fd, root, none, false, 64) < 0)
		return false;
	group_tree_rebuild(&probe);
	for (unsigned i = 0; i < probe.count && !found; i++) {
		snprintf(path, sizeof(path), "%s/%s", probe.node[i].path, file);
		found = faccessat(cgroup_fd, path, F_OK, 0) == 0;
	}
	group_tree_done(&probe);
	return found;
}

/* Chooses the hierarchy for CPU times: cgroup2 if it has groups (the kernel counts there without
 * the controller, too), else v1. That may change while the host boots. 0 or -ENOMEM. */
static int choose_cpu(struct neighbour_watch *w)
{
	static const char *const v2_files[GROUP_FILES] = { "cpu.stat" };
	static const char *const v1_files[GROUP_FILES] = { "cpuacct.usage" };
	int fd = w->env.cgroup_fd;
	const char *unified = mta_group_prefix(fd);
	bool v1 = faccessat(fd, "cpuacct/cpuacct.usage", F_OK, 0) == 0 &&
		  (!unified || !hierarchy_has(fd, unified, "cpu.stat"));

	if (w->cpu.node && v1 == w->cpu_v1)
		return 0;
	group_tree_done(&w->cpu);
	w->cpu_v1 = v1;
	w->root_primed = false;
	return group_tree_init(&w->cpu, fd,
			       v1	 ? "cpuacct"
			       : unified ? unified
					 : "",
			       v1 ? v1_files : v2_files, false, w->most);
}

static void look(struct neighbour_watch *w, uint64_t now_us)
{
	double dt_s = w->last_us ? (double)(now_us - w->last_us) / 1e6 : 0;
	struct neighbours seen = { .at_us = now_us };

	mta_watch_read(w->env.mta, w->mta.generation, &w->mta);
	if (!w->rebuilt_us || now_us - w->rebuilt_us >= REBUILD_EVERY_US) {
		w->rebuilt_us = now_us;
		choose_cpu(w);
		group_tree_rebuild(&w->cpu);
		group_tree_rebuild(&w->memory);
		group_tree_rebuild(&w->io);
	}
	read_root(w, dt_s);
	for (unsigned i = 0; i < w->cpu.count; i++)
		group_read_cpu(&w->cpu.node[i], w->cpu_v1, dt_s);
	for (unsigned i = 0; i < w->memory.count; i++)
		group_read_memory(&w->memory.node[i], w->memory_v1, now_us);
	group_fsyncs_put(&w->io, w->fsyncs);
	for (unsigned i = 0; i < w->io.count; i++)
		group_read_io(&w->io.node[i], w->io_v1, dt_s);
	w->last_us = now_us;
	find_who(w, &w->cpu, w->root_cores, FLOOR_CORES, &seen.who[RESOURCE_CPU]);
	find_who(w, &w->memory, -1, FLOOR_SHARE * used_by_all(&w->memory),
		 &seen.who[RESOURCE_MEMORY]);
	find_who(w, &w->io, -1, FLOOR_SHARE * used_by_all(&w->io), &seen.who[RESOURCE_DISK]);
	seen.mail_io = used_by_mail(w, &w->io);
	find_leak(w, available_bytes(w, now_us), &seen.leak);
	if (w->mta.count && strrchr(mta_group_home(&w->mta.group[0]), '/'))
		copy_clean(seen.mail_unit, sizeof(seen.mail_unit),
			   strrchr(mta_group_home(&w->mta.group[0]), '/') + 1);
	seen.groups = w->cpu.count;
	seen.more = w->cpu.more || w->memory.more || w->io.more;
	shared_view_put(&w->view, &w->seen, &seen, sizeof(seen));
}

static uint64_t look_again(void *context, bool idle)
{
	struct neighbour_watch *w = context;
	uint64_t cpu_us = clock_read_us(CLOCK_THREAD_CPUTIME_ID), rest_us,
		 rest_min_us = w->last_us ? REST_MIN_US : FIRST_US;

	look(w, clock_monotonic_us());
	rest_us = (clock_read_us(CLOCK_THREAD_CPUTIME_ID) - cpu_us) * CPU_PART;
	return rest_us < rest_min_us ? rest_min_us : rest_us > REST_MAX_US ? REST_MAX_US : rest_us;
}

/* Descriptors that the groups may use: all but DESCRIPTORS_LEFT, or a quarter of the limit if that
 * is small. Fronts and operators come first. */
static unsigned groups_max(void)
{
	uint32_t have = descriptors_max(), room = have / 4;

	if (have > DESCRIPTORS_LEFT + room)
		room = have - DESCRIPTORS_LEFT;
	room /= DESCRIPTORS_A_GROUP;
	return room < GROUPS_MAX ? room : GROUPS_MAX;
}

static int open_trees(struct neighbour_watch *w)
{
	static const char *const memory[GROUP_FILES] = { "memory.current", "memory.stat" };
	static const char *const memory_v1[GROUP_FILES] = { "memory.usage_in_bytes",
							    "memory.stat" };
	static const char *const io[GROUP_FILES] = { "io.stat" };
	static const char *const io_v1[GROUP_FILES] = { "blkio.throttle.io_service_bytes_recursive",
							"blkio.throttle.io_serviced_recursive" };
	int fd = w->env.cgroup_fd, r;
	const char *unified = mta_group_prefix(fd);

	if (!unified)
		unified = "";

	w->memory_v1 = faccessat(fd, "memory/memory.stat", F_OK, 0) == 0 &&
		       !hierarchy_has(fd, unified, "memory.current");
	w->io_v1 = faccessat(fd, "blkio/cgroup.procs", F_OK, 0) == 0 &&
		   !hierarchy_has(fd, unified, "io.stat");
	r = choose_cpu(w);
	if (r == 0)
		r = group_tree_init(&w->memory, fd, w->memory_v1 ? "memory" : unified,
				    w->memory_v1 ? memory_v1 : memory, true, w->most);
	if (r == 0)
		r = group_tree_init(&w->io, fd, w->io_v1 ? "blkio" : unified, w->io_v1 ? io_v1 : io,
				    false, w->most);
	return r;
}

static void free_watch(struct neighbour_watch *w)
{
	group_tree_done(&w->cpu);
	group_tree_done(&w->memory);
	group_tree_done(&w->io);
	fsync_groups_close(w->fsyncs);
	proc_file_close(w->meminfo);
	free(w);
}

int neighbour_watch_open(const struct sensor_env *env, struct neighbour_watch **ret_watch,
			 char *why)
{
	struct neighbour_watch *w;
	int r;

	if (env->cgroup_fd < 0) {
		snprintf(why, SENSOR_WHY_MAX,
			 "there is no /sys/fs/cgroup: neighbours have no name");
		return -ENOENT;
	}
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->env = *env;
	w->root_cores = -1;
	w->most = groups_max();
	r = open_trees(w);
	w->fsyncs = fsync_groups_open(env->kernel);
	/* Without it a group that leaks is named, but not when its memory will be used up. */
	proc_file_open(env, "meminfo", PROCPARSE_MEMINFO_SIZE, &w->meminfo, why);
	why[0] = 0;
	if (r < 0)
		snprintf(why, SENSOR_WHY_MAX, "the control groups cannot be read: %s",
			 strerror(-r));
	else
		r = shared_view_open(&w->view, env->worker, look_again, w,
				     "looks at the control groups", why);
	if (r < 0) {
		free_watch(w);
		return r;
	}
	*ret_watch = w;
	return 0;
}

bool neighbour_watch_read(struct neighbour_watch *w, struct neighbours *ret)
{
	return w && shared_view_get(&w->view, &w->seen, ret, sizeof(*ret));
}

void neighbour_watch_close(struct neighbour_watch *w)
{
	if (!w || !shared_view_close(&w->view, w))
		return;
	free_watch(w);
}
