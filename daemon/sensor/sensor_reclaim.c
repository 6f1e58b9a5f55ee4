/* Shortage of memory as the kernel handles it: tasks in reclaim and OOM kills, by BPF; without BPF,
 * the counters of /proc/vmstat. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/readfile.h"
#include "kernel/kernel.h"
#include "sensor/minute_count.h"
#include "sensor/probe_sensor.h"
#include "sensor/sensors.h"
#include "sensor/span_rate.h"
#include "sensor/window_hist.h"

/* ---- BPF: tasks in reclaim ------------------------------------------------------------------ */

enum { DIRECT, CGROUP, KINDS };

struct reclaim {
	struct kernel *kernel;
	struct span_rate rate[KINDS];
	struct window_hist window[KINDS];
};

static const struct {
	enum signal tasks, p99_us, per_s;
} reclaim_puts[KINDS] = {
	[DIRECT] = { SIGNAL_DIRECT_RECLAIM_TASKS, SIGNAL_DIRECT_RECLAIM_P99_US,
		     SIGNAL_DIRECT_RECLAIMS_PER_S },
	[CGROUP] = { SIGNAL_CGROUP_RECLAIM_TASKS, SIGNAL_CGROUP_RECLAIM_P99_US,
		     SIGNAL_CGROUP_RECLAIMS_PER_S },
};

static int reclaim_open(const struct sensor_env *env, void **ret_state, char *why)
{
	return probe_sensor_open(env, PROBE_RECLAIM, sizeof(struct reclaim), ret_state, why);
}

static int reclaim_poll(void *state, uint64_t now_us, struct sample *sample, struct load *load,
			char *why)
{
	struct reclaim *s = state;
	uint64_t slots[KERNEL_SLOTS], sum;

	for (int i = 0; i < KINDS; i++) {
		struct kernel_spans spans;
		double q;

		if (kernel_spans_read(s->kernel, PROBE_RECLAIM, (unsigned)i, now_us, &spans) < 0 ||
		    kernel_histogram(s->kernel, PROBE_RECLAIM, (unsigned)i, slots, &sum) < 0)
			return -ENODATA;
		span_rate_put(&s->rate[i], &spans, now_us, sample, reclaim_puts[i].tasks,
			      reclaim_puts[i].per_s);
		q = window_hist_quantile(&s->window[i], slots, 0.99);
		if (q >= 0)
			sample_put(sample, reclaim_puts[i].p99_us, q, VIA_BPF);
		window_hist_step(&s->window[i], slots, now_us);
	}
	return 0;
}

/* ---- BPF: OOM kills ------------------------------------------------------------------------- */

struct oom {
	struct kernel *kernel;
	struct minute_count kills;
};

static int oom_open(const struct sensor_env *env, void **ret_state, char *why)
{
	return probe_sensor_open(env, PROBE_OOM, sizeof(struct oom), ret_state, why);
}

static int oom_poll(void *state, uint64_t now_us, struct sample *sample, struct load *load,
		    char *why)
{
	struct oom *s = state;
	uint64_t kills;
	int r = kernel_oom_kills(s->kernel, &kills);

	if (r == 0)
		sample_put(sample, SIGNAL_OOM_KILLS,
			   (double)minute_count_step(&s->kills, kills, now_us), VIA_BPF);
	return r;
}

/* ---- /proc/vmstat --------------------------------------------------------------------------- */

struct vmstat {
	int fd;
	struct minute_count kills;
	uint64_t stalls, last_us;
	char content[16384];
};

static int vmstat_open(const struct sensor_env *env, void **ret_state, char *why)
{
	struct vmstat *s;
	int fd;

	if (env->kernel && !kernel_probe_why(env->kernel, PROBE_RECLAIM) &&
	    !kernel_probe_why(env->kernel, PROBE_OOM)) {
		snprintf(why, SENSOR_WHY_MAX, "not needed: BPF tells more, at less cost");
		return -EALREADY;
	}
	fd = env->proc_fd < 0 ? -1 : openat(env->proc_fd, "vmstat", O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		int r = env->proc_fd < 0 ? -ENOENT : -errno;

		snprintf(why, SENSOR_WHY_MAX, "/proc/vmstat cannot be opened: %s", strerror(-r));
		return r;
	}
	s = calloc(1, sizeof(*s));
	if (!s) {
		close(fd);
		return -ENOMEM;
	}
	s->fd = fd;
	*ret_state = s;
	return 0;
}

static void vmstat_close(void *state)
{
	close(((struct vmstat *)state)->fd);
	free(state);
}

/* Entries into direct reclaim; by zone from 4.11 on. */
static uint64_t stalls(const char *content)
{
	static const char *const names[] = { "allocstall_dma", "allocstall_dma32",
					     "allocstall_normal", "allocstall_movable",
					     "allocstall_device" };
	uint64_t sum = 0, value;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (readfile_field_u64(content, names[i], &value) == 0)
			sum += value;
	return sum;
}

static int vmstat_poll(void *state, uint64_t now_us, struct sample *sample, struct load *load,
		       char *why)
{
	struct vmstat *s = state;
	uint64_t kills, now;
	int r = readfile_fd(s->fd, s->content, sizeof(s->content));

	if (r < 0)
		return r;
	if (readfile_field_u64(s->content, "oom_kill", &kills) == 0)
		sample_put(sample, SIGNAL_OOM_KILLS,
			   (double)minute_count_step(&s->kills, kills, now_us), VIA_PROCFS);
	now = stalls(s->content);
	if (s->last_us && now_us > s->last_us && now >= s->stalls)
		sample_put(sample, SIGNAL_DIRECT_RECLAIMS_PER_S,
			   (double)(now - s->stalls) * 1e6 / (double)(now_us - s->last_us),
			   VIA_PROCFS);
	s->stalls = now;
	s->last_us = now_us;
	return 0;
}

static const enum signal reclaim_signals[] = { SIGNAL_DIRECT_RECLAIM_TASKS,
					       SIGNAL_DIRECT_RECLAIM_P99_US,
					       SIGNAL_DIRECT_RECLAIMS_PER_S,
					       SIGNAL_CGROUP_RECLAIM_TASKS,
					       SIGNAL_CGROUP_RECLAIM_P99_US,
					       SIGNAL_CGROUP_RECLAIMS_PER_S,
					       SIGNAL__COUNT };
static const enum signal oom_signals[] = { SIGNAL_OOM_KILLS, SIGNAL__COUNT };
static const enum signal vmstat_signals[] = { SIGNAL_OOM_KILLS, SIGNAL_DIRECT_RECLAIMS_PER_S,
					      SIGNAL__COUNT };

const struct sensor_ops sensor_bpf_reclaim = { "bpf_reclaim", reclaim_signals, reclaim_open,
					       reclaim_poll, free };
const struct sensor_ops sensor_bpf_oom = { "bpf_oom", oom_signals, oom_open, oom_poll, free };
const struct sensor_ops sensor_vmstat = { "vmstat", vmstat_signals, vmstat_open, vmstat_poll,
					  vmstat_close };
