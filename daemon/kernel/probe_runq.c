/* Run-queue latency: bpf/runq.bpf.c. Its rows, one for each CPU, are mapped, so a reading needs no
 * system call. */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/duty_cycle.h"
#include "kernel/kernel.h"
#include "kernel/probe.h"
#include "kernel/sampling.h"
#include "shared.h"

#include "runq.skel.h"

/* At least so many events a second are measured, enough for a 99th percentile over half a
 * second. */
#define SAMPLES_PER_S 1000

struct runq {
	struct probe_mapped mapped;
	struct runq_bpf *bpf; /* inside `mapped` */
	int cpus;
	const struct runq_row *rows; /* inside `mapped` */
	uint64_t tuned_us, events; /* the former in time during which the program was attached */
	uint64_t per_s;
	struct duty_cycle *duty; /* NULL: it has always been attached */
	struct duty_cycle_view view;
	bool no_duty; /* no thread could be created */
};

static int prepare(void *skeleton, const struct probe_env *env)
{
	return bpf_map__set_max_entries(((struct runq_bpf *)skeleton)->maps.runq_rows,
					(unsigned)env->cpus);
}

PROBE_SKELETON(runq, prepare);

static void close_runq(void *state)
{
	struct runq *s = state;

	duty_cycle_close(s->duty);
	probe_close_mapped(&s->mapped);
	free(s);
}

static int open_runq(const struct probe_env *env, void **ret_state, char *form)
{
	struct runq *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->cpus = env->cpus;
	r = probe_open_mapped(&runq_skeleton, env, "runq_rows", &s->mapped, form);
	if (r < 0) {
		free(s);
		return r;
	}
	s->bpf = s->mapped.skeleton;
	s->rows = s->mapped.values;
	*ret_state = s;
	return 0;
}

static int histogram(const void *state, unsigned which, uint64_t slots[KERNEL_SLOTS],
		     uint64_t *ret_sum_us)
{
	const struct runq *s = state;

	memset(slots, 0, KERNEL_SLOTS * sizeof(*slots));
	*ret_sum_us = 0;
	for (int c = 0; c < s->cpus; c++) {
		const struct hist *h = which ? &s->rows[c].mta : &s->rows[c].all;

		if (!h->sum_us && !h->slots[0] && !s->rows[c].sampling.events)
			continue; /* this CPU does not exist */
		for (unsigned i = 0; i < KERNEL_SLOTS; i++)
			slots[i] += h->slots[i];
		*ret_sum_us += h->sum_us;
	}
	return 0;
}

static uint64_t events_of(void *state)
{
	const struct runq *s = state;
	uint64_t events = 0;

	for (int c = 0; c < s->cpus; c++)
		events += __atomic_load_n(&s->rows[c].sampling.events, __ATOMIC_RELAXED);
	return events;
}

static void weigh(void *state, uint64_t times)
{
	const struct runq *s = state;

	__atomic_store_n(&s->bpf->data->times, times, __ATOMIC_RELAXED);
}

uint64_t kernel_runq_tune(struct kernel *k, uint64_t now_us)
{
	struct runq *s = kernel_probe_state(k, PROBE_RUNQ);
	uint64_t events, span_us = 1000000, samples = SAMPLES_PER_S;

	if (!s)
		return 0;
	if (s->duty) {
		now_us = s->view.on_us;
		span_us = DUTY_MIN_US;
		samples = (uint64_t)(SAMPLES_PER_S / s->view.share);
	}
	if (s->tuned_us && now_us - s->tuned_us < span_us)
		return s->bpf->data->sample_interval;
	events = events_of(s);
	if (s->tuned_us) {
		s->per_s = (events - s->events) * 1000000 / (now_us - s->tuned_us);
		__atomic_store_n(&s->bpf->data->sample_interval,
				 sample_interval_for(s->per_s, samples), __ATOMIC_RELAXED);
	}
	s->events = events;
	s->tuned_us = now_us;
	return s->bpf->data->sample_interval;
}

int kernel_runq_throttle(struct kernel *k, bool idle, uint64_t now_us, double *ret_share,
			 uint64_t *ret_per_s)
{
	static const struct duty_cycle_ops ops = { events_of, weigh };
	struct runq *s = kernel_probe_state(k, PROBE_RUNQ);
	bool raw;

	if (!s)
		return -ENODATA;
	*ret_share = 1;
	*ret_per_s = s->per_s;
	if (!s->duty && (s->per_s <= DUTY_IDLE_PER_S || s->no_duty))
		return 0;
	if (!s->duty) {
		raw = !s->bpf->links.runq_tp_btf;
		s->no_duty = duty_cycle_open(
				     raw ? s->bpf->progs.runq_raw_tp : s->bpf->progs.runq_tp_btf,
				     raw ? &s->bpf->links.runq_raw_tp : &s->bpf->links.runq_tp_btf,
				     s->per_s, &ops, s, &s->duty) < 0;
		s->view.share = 1;
		s->tuned_us = 0;
		return 0;
	}
	duty_cycle_look(s->duty, idle, now_us, &s->view);
	*ret_share = s->view.share;
	*ret_per_s = s->view.per_s;
	return s->view.error;
}

void kernel_runq_cgroup(struct kernel *k, uint64_t id)
{
	struct runq *s = kernel_probe_state(k, PROBE_RUNQ);

	if (s)
		__atomic_store_n(&s->bpf->bss->mta_cgroup, id, __ATOMIC_RELAXED);
}

const struct probe probe_runq = { .name = "run-queue latency",
				  .instead = "CPU stalls by PSI",
				  .open = open_runq,
				  .close = close_runq,
				  .histogram = histogram };
