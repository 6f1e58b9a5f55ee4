/* Latencies from BPF probes: run queue, fsync, commits of the journal. kernel/ has the probes; this
 * file turns their figures into signals. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/kernel.h"
#include "sensor/disks.h"
#include "sensor/probe_sensor.h"
#include "sensor/sensors.h"
#include "sensor/span_rate.h"
#include "sensor/window_hist.h"

struct latency {
	struct kernel *kernel;
	struct disk_table *disks;
	const struct sensor_poll *poll;
	enum kernel_probe probe;
	struct window_hist window, mta;
	struct span_rate rate;
	uint64_t generation; /* generation of the disks' table for which the windows were started */
	unsigned which;
};

static int latency_open(const struct sensor_env *env, enum kernel_probe probe, void **ret_state,
			char *why)
{
	struct latency *s;
	int r = probe_sensor_open(env, probe, sizeof(*s), ret_state, why);

	if (r < 0)
		return r;
	s = *ret_state;
	s->disks = env->disks;
	s->poll = env->poll;
	s->probe = probe;
	return 0;
}

/* Quantiles of one histogram; -1 in ret_p99: no event. p50 may be NULL. */
static int quantiles(struct latency *s, unsigned which, struct window_hist *window, uint64_t now_us,
		     double *ret_p99, double *ret_p50, char *why)
{
	uint64_t slots[KERNEL_SLOTS], sum;
	int r = kernel_histogram(s->kernel, s->probe, which, slots, &sum);

	if (r < 0) {
		snprintf(why, SENSOR_WHY_MAX, "the probe cannot be read: %s", strerror(-r));
		return r;
	}
	*ret_p99 = window_hist_quantile(window, slots, 0.99);
	if (ret_p50)
		*ret_p50 = window_hist_quantile(window, slots, 0.5);
	window_hist_step(window, slots, now_us);
	return 0;
}

static int runq_open(const struct sensor_env *env, void **ret_state, char *why)
{
	return latency_open(env, PROBE_RUNQ, ret_state, why);
}

/* A window without an event gives no value. If the probe was not attached during it, the last value
 * stays for a limited time. */
#define RUNQ_OLD_US 5000000u

static int runq_poll(void *state, uint64_t now_us, struct sample *sample, struct load *load,
		     char *why)
{
	struct latency *s = state;
	uint64_t all[KERNEL_SLOTS], mta[KERNEL_SLOTS], sum, per_s;
	double share, p99;
	bool idle = s->poll->urgency != URGENCY_URGENT && !s->poll->cpu_pressed;
	int r = kernel_runq_throttle(s->kernel, idle, now_us, &share, &per_s);

	if (r == 0)
		r = kernel_histogram(s->kernel, PROBE_RUNQ, 0, all, &sum);
	if (r == 0)
		r = kernel_histogram(s->kernel, PROBE_RUNQ, 1, mta, &sum);
	if (r < 0) {
		snprintf(why, SENSOR_WHY_MAX, "the probe cannot be read: %s", strerror(-r));
		return r;
	}
	kernel_runq_tune(s->kernel, now_us);
	if (share < 1)
		snprintf(why, SENSOR_WHY_MAX,
			 "%.0f task switches a second: looked at %.0f %% of the time",
			 (double)per_s, 100 * share);
	p99 = window_hist_quantile(&s->window, all, 0.99);
	if (p99 >= 0) {
		sample_put(sample, SIGNAL_RUNQ_P99_US, p99, VIA_BPF);
		sample_put(sample, SIGNAL_RUNQ_P50_US, window_hist_quantile(&s->window, all, 0.5),
			   VIA_BPF);
	}
	p99 = window_hist_quantile(&s->mta, mta, 0.99);
	if (p99 >= 0)
		sample_put(sample, SIGNAL_MTA_RUNQ_P99_US, p99, VIA_BPF);
	if (share < 1 && window_hist_is_still(&s->window, all) &&
	    now_us - s->window.rotated_us < RUNQ_OLD_US)
		return 0;
	window_hist_step(&s->window, all, now_us);
	window_hist_step(&s->mta, mta, now_us);
	return 0;
}

static int fsync_open(const struct sensor_env *env, void **ret_state, char *why)
{
	return latency_open(env, PROBE_FSYNC, ret_state, why);
}

static int fsync_poll(void *state, uint64_t now_us, struct sample *sample, struct load *load,
		      char *why)
{
	struct latency *s = state;
	struct kernel_spans spans;
	double p99, p50;
	int r;

	if (s->generation != s->disks->generation) {
		/* The queue is on other file systems now. */
		s->generation = s->disks->generation;
		s->which = s->disks->spool_known && s->disks->file_systems ? 1 : 0;
		kernel_fsync_spool(s->kernel, s->disks->file_system, s->disks->file_systems);
		memset(&s->window, 0, sizeof(s->window));
		memset(&s->rate, 0, sizeof(s->rate));
	}
	r = quantiles(s, s->which, &s->window, now_us, &p99, &p50, why);
	if (r == 0)
		r = kernel_spans_read(s->kernel, PROBE_FSYNC, s->which, now_us, &spans);
	if (r < 0)
		return r;
	/* A call that does not return counts while it hangs, and not only at its end. */
	if (spans.open && (double)spans.oldest_us > p99 && spans.oldest_us)
		p99 = (double)spans.oldest_us;
	if (p99 >= 0)
		sample_put(sample, SIGNAL_FSYNC_P99_US, p99, VIA_BPF);
	if (p50 >= 0)
		sample_put(sample, SIGNAL_FSYNC_P50_US, p50, VIA_BPF);
	span_rate_put(&s->rate, &spans, now_us, sample, SIGNAL_FSYNC_TASKS, SIGNAL_FSYNCS_PER_S);
	return 0;
}

static int jbd2_open(const struct sensor_env *env, void **ret_state, char *why)
{
	return latency_open(env, PROBE_JBD2, ret_state, why);
}

static int jbd2_poll(void *state, uint64_t now_us, struct sample *sample, struct load *load,
		     char *why)
{
	struct latency *s = state;
	double p99;
	int r = quantiles(s, 0, &s->window, now_us, &p99, NULL, why);

	if (r == 0 && p99 >= 0)
		sample_put(sample, SIGNAL_JOURNAL_COMMIT_P99_US, p99, VIA_BPF);
	return r;
}

static const enum signal runq_signals[] = { SIGNAL_RUNQ_P99_US, SIGNAL_RUNQ_P50_US,
					    SIGNAL_MTA_RUNQ_P99_US, SIGNAL__COUNT };
static const enum signal fsync_signals[] = { SIGNAL_FSYNC_P99_US, SIGNAL_FSYNC_P50_US,
					     SIGNAL_FSYNC_TASKS, SIGNAL_FSYNCS_PER_S,
					     SIGNAL__COUNT };
static const enum signal jbd2_signals[] = { SIGNAL_JOURNAL_COMMIT_P99_US, SIGNAL__COUNT };

const struct sensor_ops sensor_bpf_runq = { "bpf_runq", runq_signals, runq_open, runq_poll, free };
const struct sensor_ops sensor_bpf_fsync = { "bpf_fsync", fsync_signals, fsync_open, fsync_poll,
					     free };
const struct sensor_ops sensor_bpf_jbd2 = { "bpf_jbd2", jbd2_signals, jbd2_open, jbd2_poll, free };
