/* Block I/O latency: bpf/blkio.bpf.c. */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>

#include "kernel/probe.h"
#include "shared.h"

#include "blkio.skel.h"

PROBE_SKELETON(blkio, NULL);

struct blkio {
	struct blkio_bpf *bpf;
	int cpus;
	uint64_t *scratch; /* one value a CPU */
};

static void close_blkio(void *state)
{
	struct blkio *s = state;

	blkio_bpf__destroy(s->bpf);
	free(s->scratch);
	free(s);
}

static int open_blkio(const struct probe_env *env, void **ret_state, char *form)
{
	struct blkio *s = calloc(1, sizeof(*s));
	void *skeleton;
	int r;

	if (!s)
		return -ENOMEM;
	s->cpus = env->cpus;
	s->scratch = calloc((size_t)env->cpus, sizeof(*s->scratch));
	r = s->scratch ? probe_open_two_forms(&blkio_skeleton, env, &skeleton, form) : -ENOMEM;
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
	const struct blkio *s = state;
	int fd = bpf_map__fd(s->bpf->maps.blkio_hist), r;

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

const struct probe probe_blkio = { "block I/O latency", "disk_await_us from /proc/diskstats",
				   open_blkio, close_blkio, histogram };
