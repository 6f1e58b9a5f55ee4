/* The MTA's own control groups (one, or one for each service): CPU used, stalls (PSI), I/O, memory
 * without page cache against the limits above it, and what the kernel did at these limits. mta.c
 * finds the MTA, mta_files.c reads its files. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "kernel/kernel.h"
#include "sensor/mta.h"
#include "sensor/mta_events.h"
#include "sensor/mta_files.h"
#include "sensor/proc_file.h"
#include "sensor/procparse.h"
#include "sensor/sensors.h"

static const enum signal stall_signals[MTA_STALLS] = { [MTA_STALL_CPU] = SIGNAL_MTA_CPU_STALL_RATIO,
						       [MTA_STALL_IO] = SIGNAL_MTA_IO_STALL_RATIO,
						       [MTA_STALL_MEMORY] =
							       SIGNAL_MTA_MEM_STALL_RATIO };

struct cgroup {
	struct mta_watch *watch;
	int cgroup_fd;
	struct proc_file *meminfo; /* NULL: cannot be read */
	struct mta mta;
	/* Open files, whose they are, and the inodes of those directories. */
	struct mta_files files[MTA_GROUPS];
	struct mta_group opened_group[MTA_GROUPS];
	ino_t opened[MTA_GROUPS];
	unsigned opened_count;
	struct mta_events events; /* of the first group */
	/* measures the first group's run-queue latency; NULL: not possible */
	struct kernel *kernel;
	uint64_t last_us;
};

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
		mta_files_close(&s->files[i]);
	mta_events_close(&s->events);
	for (unsigned i = 0; i < s->mta.count; i++) {
		mta_files_open(s->cgroup_fd, &s->mta.group[i], &s->files[i]);
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
			 "the thread that looks for the mail server does not start");
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
		mta_files_clear(&s->files[i]);
	*ret_state = s;
	return 0;
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

static void put_sums(const struct mta_sums *sum, double dt_us, struct sample *sample)
{
	sample_put(sample, SIGNAL_MTA_MEM_BYTES, sum->memory, VIA_CGROUP);
	sample_put(sample, SIGNAL_MTA_MEM_LIMIT_BYTES, sum->limit, VIA_CGROUP);
	sample_put(sample, SIGNAL_MTA_MEM_USED_RATIO, sum->worst, VIA_CGROUP);
	if (dt_us <= 0)
		return;
	sample_put(sample, SIGNAL_MTA_CPU_CORES, sum->cpu_us < 0 ? -1 : sum->cpu_us / dt_us,
		   VIA_CGROUP);
	for (int i = 0; i < MTA_STALLS; i++) {
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
	struct mta_sums sum = { .cpu_us = -1,
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
		mta_files_read(&s->files[i], &s->mta.group[i], &sum);
	put_sums(&sum, dt_us, sample);
	put_room(s, sum.room, now_us, sample);
	mta_events_poll(&s->events, now_us, sample);
	return 0;
}

static void cgroup_close(void *state)
{
	struct cgroup *s = state;

	for (unsigned i = 0; i < MTA_GROUPS; i++)
		mta_files_close(&s->files[i]);
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
