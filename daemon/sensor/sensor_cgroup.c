/* The MTA's own control group: CPU used, stalls (PSI), memory without page cache against the limits above it. Who the MTA is,
 * mta.c finds. Files are kept open and read with pread(). */
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
#include "sensor/procparse.h"
#include "sensor/sensors.h"

enum { STALL_CPU, STALL_IO, STALL_MEMORY, STALLS };

static const char *const stall_files[STALLS] = { "cpu.pressure", "io.pressure", "memory.pressure" };
static const enum signal stall_signals[STALLS] = { SIGNAL_MTA_CPU_STALL_RATIO,
						   SIGNAL_MTA_IO_STALL_RATIO,
						   SIGNAL_MTA_MEM_STALL_RATIO };

struct memory_files {
	int stat, current, limit;
};

struct cgroup {
	struct mta_watch *watch;
	int cgroup_fd, proc_fd;
	struct mta mta;
	int cpu_fd, stall_fd[STALLS];
	struct memory_files memory[MTA_LIMITS];
	uint64_t cpu_us, stall_us[STALLS], last_us;
	bool cpu_primed, stall_primed[STALLS];
	struct mta_events events;
	struct kernel *kernel; /* counts the group's run-queue latency apart; NULL: cannot */
};

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void close_files(struct cgroup *s)
{
	close_fd(&s->cpu_fd);
	for (int i = 0; i < STALLS; i++) {
		close_fd(&s->stall_fd[i]);
		s->stall_primed[i] = false;
	}
	for (int i = 0; i < MTA_LIMITS; i++) {
		close_fd(&s->memory[i].stat);
		close_fd(&s->memory[i].current);
		close_fd(&s->memory[i].limit);
	}
	s->cpu_primed = false;
	mta_events_close(&s->events);
	if (s->kernel)
		kernel_runq_cgroup(s->kernel, 0);
}

/* The id of a cgroup2 directory, as BPF sees it, is its inode. */
static void watch_run_queue(struct cgroup *s)
{
	struct stat st;

	if (s->kernel && s->mta.unified[0] && fstatat(s->cgroup_fd, s->mta.unified, &st, 0) == 0)
		kernel_runq_cgroup(s->kernel, st.st_ino);
}

static int open_in(struct cgroup *s, const char *directory, const char *file)
{
	char path[CONFIG_PATH_MAX + 32];

	snprintf(path, sizeof(path), "%s/%s", directory, file);
	return openat(s->cgroup_fd, path, O_RDONLY | O_CLOEXEC);
}

static void open_files(struct cgroup *s)
{
	const struct mta *m = &s->mta;

	close_files(s);
	if (!m->found)
		return;
	s->cpu_fd = open_in(s, m->unified, "cpu.stat");
	for (int i = 0; i < STALLS; i++)
		s->stall_fd[i] = open_in(s, m->unified, stall_files[i]);
	for (int i = 0; i < MTA_LIMITS && m->memory[i][0]; i++) {
		s->memory[i].stat = open_in(s, m->memory[i], "memory.stat");
		s->memory[i].current = open_in(
			s, m->memory[i], m->memory_v1 ? "memory.usage_in_bytes" : "memory.current");
		s->memory[i].limit = open_in(s, m->memory[i],
					     m->memory_v1 ? "memory.limit_in_bytes" : "memory.max");
	}
	if (m->memory[0][0])
		mta_events_open(&s->events, s->cgroup_fd, m->memory[0], m->memory_v1);
	watch_run_queue(s);
	log_info("the mail server's control group is %s",
		 strncmp(m->unified, "./", 2) == 0 ? m->unified + 1 : m->unified);
}

static int cgroup_open(const struct sensor_env *env, void **ret_state, char *why)
{
	struct cgroup *s;
	int r;

	if (env->cgroup_fd < 0 || env->proc_fd < 0) {
		snprintf(why, SENSOR_WHY_MAX, "there is no /sys/fs/cgroup");
		return -ENOENT;
	}
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->cgroup_fd = env->cgroup_fd;
	s->proc_fd = env->proc_fd;
	s->kernel = env->kernel;
	mta_events_init(&s->events);
	s->cpu_fd = -1;
	for (int i = 0; i < STALLS; i++)
		s->stall_fd[i] = -1;
	for (int i = 0; i < MTA_LIMITS; i++)
		s->memory[i] = (struct memory_files){ -1, -1, -1 };
	r = mta_watch_open(env, &s->watch, why);
	if (r < 0) {
		free(s);
		return r;
	}
	*ret_state = s;
	return 0;
}

static void poll_cpu(struct cgroup *s, double dt_us, struct sample *sample)
{
	char content[1024];
	uint64_t now;

	if (s->cpu_fd < 0 || readfile_fd(s->cpu_fd, content, sizeof(content)) <= 0 ||
	    readfile_field_u64(content, "usage_usec", &now) < 0) {
		s->cpu_primed = false;
		return;
	}
	if (s->cpu_primed && dt_us > 0 && now >= s->cpu_us)
		sample_put(sample, SIGNAL_MTA_CPU_CORES, (double)(now - s->cpu_us) / dt_us,
			   VIA_CGROUP);
	s->cpu_us = now;
	s->cpu_primed = true;
}

static void poll_stall(struct cgroup *s, int i, double dt_us, struct sample *sample)
{
	char content[512];
	uint64_t now;

	if (s->stall_fd[i] < 0 || readfile_fd(s->stall_fd[i], content, sizeof(content)) <= 0 ||
	    procparse_psi_some(content, &now) < 0) {
		s->stall_primed[i] = false;
		return;
	}
	if (s->stall_primed[i] && dt_us > 0 && now >= s->stall_us[i]) {
		double ratio = (double)(now - s->stall_us[i]) / dt_us;

		sample_put(sample, stall_signals[i], ratio > 1 ? 1 : ratio, VIA_CGROUP);
	}
	s->stall_us[i] = now;
	s->stall_primed[i] = true;
}

/* Memory that is not page cache: what the kernel cannot drop to make room. */
static int read_memory(const struct memory_files *f, bool v1, double *ret_used, double *ret_limit)
{
	char content[8192], number[64];
	uint64_t current, limit = UINT64_MAX, inactive = 0, active = 0;
	int r;

	r = readfile_fd(f->current, number, sizeof(number));
	if (r <= 0)
		return -EIO;
	current = strtoull(number, NULL, 10);
	r = readfile_fd(f->stat, content, sizeof(content));
	if (r <= 0 && r != -EFBIG)
		return -EIO;
	readfile_field_u64(content, v1 ? "total_inactive_file" : "inactive_file", &inactive);
	readfile_field_u64(content, v1 ? "total_active_file" : "active_file", &active);
	if (f->limit >= 0 && readfile_fd(f->limit, number, sizeof(number)) > 0 && number[0] != 'm')
		limit = strtoull(number, NULL, 10);
	*ret_used = current > inactive + active ? (double)(current - inactive - active) : 0;
	*ret_limit = limit < UINT64_C(1) << 60 ? (double)limit : -1;
	return 0;
}

static void poll_memory(struct cgroup *s, struct sample *sample)
{
	double used, limit, room = -1, worst = -1;

	for (int i = 0; i < MTA_LIMITS && s->memory[i].stat >= 0; i++) {
		if (read_memory(&s->memory[i], s->mta.memory_v1, &used, &limit) < 0)
			continue;
		if (i == 0)
			sample_put(sample, SIGNAL_MTA_MEM_BYTES, used, VIA_CGROUP);
		if (limit <= 0)
			continue;
		if (room < 0 || limit - used < room)
			room = limit > used ? limit - used : 0;
		if (used / limit > worst)
			worst = used / limit;
	}
	if (worst >= 0)
		sample_put(sample, SIGNAL_MTA_MEM_USED_RATIO, worst, VIA_CGROUP);
	/* The machine's own memory bounds too: sensor_memory puts it when this one does not, so take the lesser here. */
	if (room >= 0) {
		char content[4096];
		uint64_t available;

		if (readfile_at(s->proc_fd, "meminfo", content, sizeof(content)) > 0 &&
		    readfile_field_u64(content, "MemAvailable", &available) == 0 &&
		    (double)available * 1024 < room)
			room = (double)available * 1024;
		sample_put(sample, SIGNAL_MEM_AVAILABLE_BYTES, room, VIA_CGROUP);
	}
}

static int cgroup_poll(void *state, uint64_t now_us, struct sample *sample, struct load *load,
		       char *why)
{
	struct cgroup *s = state;
	double dt_us = s->last_us && now_us > s->last_us ? (double)(now_us - s->last_us) : 0;

	if (mta_watch_read(s->watch, s->mta.generation, &s->mta))
		open_files(s);
	s->last_us = now_us;
	if (s->mta.cores > 0)
		sample_put(sample, SIGNAL_MTA_CORES, s->mta.cores, VIA_CGROUP);
	if (!s->mta.found) {
		snprintf(why, SENSOR_WHY_MAX, "%s", s->mta.why);
		return 0; /* not a failure: others stand in */
	}
	poll_cpu(s, dt_us, sample);
	for (int i = 0; i < STALLS; i++)
		poll_stall(s, i, dt_us, sample);
	poll_memory(s, sample);
	mta_events_poll(&s->events, now_us, sample);
	return 0;
}

static void cgroup_close(void *state)
{
	struct cgroup *s = state;

	mta_watch_close(s->watch);
	close_files(s);
	free(s);
}

static const enum signal cgroup_signals[] = { SIGNAL_MTA_CORES,
					      SIGNAL_MTA_CPU_CORES,
					      SIGNAL_MTA_CPU_STALL_RATIO,
					      SIGNAL_MTA_IO_STALL_RATIO,
					      SIGNAL_MTA_MEM_STALL_RATIO,
					      SIGNAL_MTA_MEM_BYTES,
					      SIGNAL_MTA_MEM_USED_RATIO,
					      SIGNAL_MEM_AVAILABLE_BYTES,
					      SIGNAL_MTA_OOM_KILLS,
					      SIGNAL_MTA_LIMIT_HITS_PER_S,
					      SIGNAL__COUNT };
const struct sensor_ops sensor_cgroup = { "cgroup", cgroup_signals, cgroup_open, cgroup_poll,
					  cgroup_close };
