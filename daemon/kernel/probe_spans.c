/* Times that tasks spend in one place of the kernel: fsync (bpf/fsync.bpf.c), commits of the
 * journal (bpf/jbd2.bpf.c), reclaim of memory (bpf/reclaim.bpf.c); and the count of OOM kills
 * (bpf/oom.bpf.c). */
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "kernel/kernel.h"
#include "kernel/open_sum.h"
#include "kernel/probe.h"
#include "kernel/wheel.h"
#include "shared.h"

#include "fsync.skel.h"
#include "jbd2.skel.h"
#include "oom.skel.h"
#include "reclaim.skel.h"

/* The state of each of these probes is its skeleton. */
#define PROBE_OF(name) \
	PROBE_SKELETON(name, NULL); \
	static int open_##name(const struct probe_env *env, void **ret_state, char *form) \
	{ \
		return probe_open_two_forms(&name##_skeleton, env, ret_state, form); \
	}

PROBE_OF(fsync)
PROBE_OF(jbd2)
PROBE_OF(reclaim)
PROBE_OF(oom)

static const struct spans *find(enum kernel_probe probe, const void *state, unsigned which)
{
	if (probe == PROBE_FSYNC)
		return which ? &((const struct fsync_bpf *)state)->bss->fsync_spool
			     : &((const struct fsync_bpf *)state)->bss->fsync_all;
	if (probe == PROBE_JBD2)
		return &((const struct jbd2_bpf *)state)->bss->commits;
	if (probe == PROBE_RECLAIM)
		return &((const struct reclaim_bpf *)state)->bss->reclaim[which % RECLAIM_KINDS];
	return NULL;
}

static int copy(const struct spans *spans, uint64_t slots[KERNEL_SLOTS], uint64_t *ret_sum_us)
{
	memcpy(slots, spans->hist.slots, sizeof(spans->hist.slots));
	*ret_sum_us = spans->hist.sum_us;
	return 0;
}

static int fsync_histogram(const void *state, unsigned which, uint64_t slots[KERNEL_SLOTS],
			   uint64_t *ret_sum_us)
{
	return copy(find(PROBE_FSYNC, state, which), slots, ret_sum_us);
}

static int jbd2_histogram(const void *state, unsigned which, uint64_t slots[KERNEL_SLOTS],
			  uint64_t *ret_sum_us)
{
	return copy(find(PROBE_JBD2, state, which), slots, ret_sum_us);
}

static int reclaim_histogram(const void *state, unsigned which, uint64_t slots[KERNEL_SLOTS],
			     uint64_t *ret_sum_us)
{
	return copy(find(PROBE_RECLAIM, state, which), slots, ret_sum_us);
}

int kernel_spans_read(const struct kernel *k, enum kernel_probe probe, unsigned which,
		      uint64_t now_us, struct kernel_spans *ret)
{
	const void *state = kernel_probe_state(k, probe);
	const struct spans *s = state ? find(probe, state, which) : NULL;
	struct open_sum sum;
	uint64_t open_ns;

	if (!s)
		return -ENODATA;
	sum = open_sum_read(&s->open, NULL, &s->finished_ns, &s->open_since_ns);
	open_ns = open_sum_ns(&sum, now_us * 1000);
	memset(ret, 0, sizeof(*ret));
	ret->entered = s->entered;
	ret->spent_us = (sum.finished_ns + open_ns) / 1000;
	if (sum.count <= 0)
		return 0;
	ret->open = (uint64_t)sum.count;
	/* The oldest is no younger than their mean, beyond the wheel's sight too. */
	ret->oldest_us = open_ns / 1000 / ret->open;
	if (probe == PROBE_FSYNC) {
		const struct fsync_bpf *f = state;
		uint64_t oldest_us = wheel_oldest_us(
			which ? f->bss->fsync_spool_wheel : f->bss->fsync_wheel, now_us);

		if (oldest_us > ret->oldest_us)
			ret->oldest_us = oldest_us;
	}
	return 0;
}

void kernel_fsync_spool(struct kernel *k, const dev_t *file_systems, unsigned count)
{
	struct fsync_bpf *f = kernel_probe_state(k, PROBE_FSYNC);

	for (unsigned i = 0; f && i < FSYNC_SPOOLS; i++)
		__atomic_store_n(&f->bss->spool_devices[i],
				 i < count ? major(file_systems[i]) << 20 | minor(file_systems[i])
					   : 0,
				 __ATOMIC_RELAXED);
}

int kernel_fsync_groups(const struct kernel *k)
{
	const struct fsync_bpf *f = kernel_probe_state(k, PROBE_FSYNC);
	int fd;

	if (!f)
		return -ENODATA;
	fd = fcntl(bpf_map__fd(f->maps.fsync_groups), F_DUPFD_CLOEXEC, 3);
	return fd < 0 ? -errno : fd;
}

int kernel_oom_kills(const struct kernel *k, uint64_t *ret_count)
{
	const struct oom_bpf *o = kernel_probe_state(k, PROBE_OOM);

	if (!o)
		return -ENODATA;
	*ret_count = o->bss->oom_kills;
	return 0;
}

const struct probe probe_fsync = { .name = "fsync (ext4)",
				   .instead = "commits of the journal; and flushes by device",
				   .open = open_fsync,
				   .close = fsync_skeleton_destroy,
				   .histogram = fsync_histogram };
const struct probe probe_jbd2 = { .name = "commits of the journal",
				  .instead = "flushes by device",
				  .is_spare = true,
				  .spare_for = PROBE_FSYNC,
				  .open = open_jbd2,
				  .close = jbd2_skeleton_destroy,
				  .histogram = jbd2_histogram };
const struct probe probe_reclaim = { .name = "reclaim of memory",
				     .instead = "counts of /proc/vmstat, and stalls by PSI",
				     .open = open_reclaim,
				     .close = reclaim_skeleton_destroy,
				     .histogram = reclaim_histogram };
const struct probe probe_oom = { .name = "OOM kills",
				 .instead = "oom_kill of /proc/vmstat",
				 .open = open_oom,
				 .close = oom_skeleton_destroy };
