/* Run-queue latency: bpf/runq.bpf.c. */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>

#include "kernel/probe.h"
#include "shared.h"

#include "runq.skel.h"

PROBE_SKELETON(runq, NULL);

struct runq {
	struct runq_bpf *bpf;
	int cpus;
	uint64_t *scratch; /* one value a CPU */
};

static void close_runq(void *state)
{
	struct runq *s = state;

	runq_bpf__destroy(s->bpf);
	free(s->scratch);
	free(s);
}

static int open_runq(const struct probe_env *env, void **ret_state, char *form)
{
	struct runq *s = calloc(1, sizeof(*s));
	void *skeleton;
	int r;

	if (!s)
		return -ENOMEM;
	s->cpus = env->cpus;
	s->scratch = calloc((size_t)env->cpus, sizeof(*s->scratch));
	r = s->scratch ? probe_open_two_forms(&runq_skeleton, env, &skeleton, form) : -ENOMEM;
	if (r < 0) {
		free(s->scratch);
		free(s);
		return r;
	}
	s->bpf = skeleton;
	*ret_state = s;
	return 0;
}

static int histogram(const void *state, uint64_t slots[KERNEL_SLOTS], uint64_t *ret_sum_us)
{
	const struct runq *s = state;
	int fd = bpf_map__fd(s->bpf->maps.runq_hist), r;

	for (uint32_t i = 0; i <= KERNEL_SLOTS; i++) {
		uint64_t sum = 0;

		r = bpf_map_lookup_elem(fd, &i, s->scratch);
		if (r < 0)
			return r;
		for (int c = 0; c < s->cpus; c++)
			sum += s->scratch[c];
		if (i < KERNEL_SLOTS)
			slots[i] = sum;
		else
			*ret_sum_us = sum;
	}
	return 0;
}

const struct probe probe_runq = { "run-queue latency", "CPU stalls by PSI", open_runq, close_runq,
				  histogram };
