/* Run-queue latency: bpf/runq.bpf.c. Its rows, one a CPU, are mapped: a reading costs no system call. */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernel/probe.h"
#include "shared.h"

#include "runq.skel.h"

/* So many events a second are looked at, at the least: enough for a 99th percentile of half a second. */
#define LOOKS_PER_S 1000
#define STRIDE_MOST 1024u

struct runq {
	struct runq_bpf *bpf;
	int cpus;
	const struct runq_row *rows;
	size_t size;
	uint64_t tuned_us, events;
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

	if (s->rows)
		munmap((void *)s->rows, s->size);
	runq_bpf__destroy(s->bpf);
	free(s);
}

static int open_runq(const struct probe_env *env, void **ret_state, char *form)
{
	struct runq *s = calloc(1, sizeof(*s));
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *skeleton, *rows;
	int r;

	if (!s)
		return -ENOMEM;
	s->cpus = env->cpus;
	r = probe_open_two_forms(&runq_skeleton, env, &skeleton, form);
	if (r < 0) {
		free(s);
		return r;
	}
	s->bpf = skeleton;
	s->size = ((size_t)s->cpus * sizeof(*s->rows) + page - 1) / page * page;
	rows = mmap(NULL, s->size, PROT_READ, MAP_SHARED, bpf_map__fd(s->bpf->maps.runq_rows), 0);
	if (rows == MAP_FAILED) {
		r = -errno;
		close_runq(s);
		return r;
	}
	s->rows = rows;
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

		if (!h->sum_us && !h->slots[0] && !s->rows[c].events)
			continue; /* a CPU that there is not */
		for (unsigned i = 0; i < KERNEL_SLOTS; i++)
			slots[i] += h->slots[i];
		*ret_sum_us += h->sum_us;
	}
	return 0;
}

uint64_t kernel_runq_tune(struct kernel *k, uint64_t now_us)
{
	struct runq *s = kernel_probe_state(k, PROBE_RUNQ);
	uint64_t events = 0, stride = 1, per_s;

	if (!s)
		return 0;
	if (s->tuned_us && now_us - s->tuned_us < 1000000)
		return s->bpf->data->stride;
	for (int c = 0; c < s->cpus; c++)
		events += s->rows[c].events;
	if (s->tuned_us) {
		per_s = (events - s->events) * 1000000 / (now_us - s->tuned_us);
		while (stride < STRIDE_MOST && per_s / (2 * stride) >= LOOKS_PER_S)
			stride *= 2;
		__atomic_store_n(&s->bpf->data->stride, stride, __ATOMIC_RELAXED);
	}
	s->events = events;
	s->tuned_us = now_us;
	return s->bpf->data->stride;
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
