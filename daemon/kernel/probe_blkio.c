/* Block requests by device and kind: bpf/blkio.bpf.c. */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/kernel.h"
#include "kernel/probe.h"
#include "kernel/sampling.h"
#include "shared.h"

#include "blkio.skel.h"

/* At least so many requests a second are measured, enough for a 99th percentile over half a
 * second. */
#define SAMPLES_PER_S 500
#define TUNE_US 1000000u

_Static_assert((int)KERNEL_DISK_OPS == (int)BLK_OPS, "one order of kinds");

struct blkio {
	struct probe_mapped mapped;
	struct blkio_bpf *bpf; /* of mapped */
	int cpus;
	const struct sampling *samplings; /* one for each CPU, inside `mapped` */
	uint64_t tuned_us, events;
	uint32_t device[BLK_DEVICES]; /* by slot; slot 0 holds all other devices */
};

static int prepare(void *skeleton, const struct probe_env *env)
{
	return bpf_map__set_max_entries(((struct blkio_bpf *)skeleton)->maps.samplings,
					(unsigned)env->cpus);
}

PROBE_SKELETON(blkio, prepare);

static void close_blkio(void *state)
{
	struct blkio *s = state;

	probe_close_mapped(&s->mapped);
	free(s);
}

static int open_blkio(const struct probe_env *env, void **ret_state, char *form)
{
	struct blkio *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->cpus = env->cpus;
	r = probe_open_mapped(&blkio_skeleton, env, "samplings", &s->mapped, form);
	if (r < 0) {
		free(s);
		return r;
	}
	s->bpf = s->mapped.skeleton;
	s->samplings = s->mapped.values;
	*ret_state = s;
	return 0;
}

static int histogram(const void *state, unsigned which, uint64_t slots[KERNEL_SLOTS],
		     uint64_t *ret_sum_us)
{
	const struct blkio *s = state;

	memset(slots, 0, KERNEL_SLOTS * sizeof(*slots));
	*ret_sum_us = 0;
	for (unsigned d = 0; d < BLK_DEVICES; d++) {
		for (unsigned o = 0; (d == 0 || s->device[d]) && o < BLK_OPS; o++) {
			const struct blk_op *op = &s->bpf->bss->devices[d].op[o];

			if (o == BLK_FLUSH)
				continue;
			for (unsigned i = 0; i < KERNEL_SLOTS; i++)
				slots[i] += op->slots[i];
			*ret_sum_us += op->sum_us;
		}
	}
	return 0;
}

static struct blk_place *find_place(struct blkio *s, uint32_t device)
{
	for (uint32_t i = 0, at = blk_place_of(device); i < BLK_PROBES; i++) {
		struct blk_place *place = &s->bpf->bss->places[(at + i) % BLK_PLACES];

		if (!place->device)
			return place;
	}
	return NULL;
}

int kernel_disk_watch(struct kernel *k, unsigned major, unsigned minor)
{
	struct blkio *s = kernel_probe_state(k, PROBE_BLKIO);
	uint32_t device = major << 20 | minor, slot;
	struct blk_place *place;

	if (!s)
		return -ENODATA;
	for (slot = 1; slot < BLK_DEVICES && s->device[slot]; slot++)
		if (s->device[slot] == device)
			return (int)slot;
	if (slot == BLK_DEVICES)
		return -ENOSPC;
	place = find_place(s, device);
	if (!place)
		return -ENOSPC;
	place->slot = slot;
	__atomic_store_n(&place->device, device, __ATOMIC_RELEASE);
	s->device[slot] = device;
	return (int)slot;
}

int kernel_disk_read(const struct kernel *k, int slot, enum kernel_disk_op kind,
		     struct kernel_disk *ret)
{
	const struct blkio *s = kernel_probe_state(k, PROBE_BLKIO);
	const struct blk_op *op;

	if (!s || slot < 0 || slot >= BLK_DEVICES)
		return -ENODATA;
	op = &s->bpf->bss->devices[slot].op[kind];
	*ret = (struct kernel_disk){ op->sum_us, op->slots };
	return 0;
}

void kernel_disk_tune(struct kernel *k, uint64_t now_us)
{
	struct blkio *s = kernel_probe_state(k, PROBE_BLKIO);
	uint64_t events = 0, per_s;

	if (!s || (s->tuned_us && now_us - s->tuned_us < TUNE_US))
		return;
	for (int c = 0; c < s->cpus; c++)
		events += __atomic_load_n(&s->samplings[c].events, __ATOMIC_RELAXED);
	if (s->tuned_us) {
		per_s = (events - s->events) * 1000000 / (now_us - s->tuned_us);
		__atomic_store_n(&s->bpf->data->sample_interval,
				 sample_interval_for(per_s, SAMPLES_PER_S), __ATOMIC_RELAXED);
	}
	s->events = events;
	s->tuned_us = now_us;
}

const struct probe probe_blkio = { .name = "block I/O by device",
				   .instead = "counts, bytes and mean times from /proc/diskstats",
				   .open = open_blkio,
				   .close = close_blkio,
				   .histogram = histogram };
