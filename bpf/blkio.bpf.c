/* Block requests by device and by kind (read, write, flush): the time from entry to completion,
 * including the scheduler's queue (iostat's await). One hook at completion is enough, because the
 * request carries its start time (0 if the queue has iostats=0). Numbers and bytes of requests are
 * in /proc/diskstats.
 *
 * At a high rate only a sample of the requests is measured (sampling.h). Flushes, which are few and
 * matter most, are all measured. A pure flush completes as FLUSH and again as a WRITE of no bytes,
 * so a write without bytes is ignored. So are discards and the like, since no task waits for them.
 * User space assigns slots to devices; all other devices share slot 0. */
#include "kernel_types.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include "sampling.h"
#include "time_slot.h"

#define OP_MASK 255 /* REQ_OP_MASK, include/linux/blk_types.h */
enum { OP_READ = 0, OP_WRITE = 1, OP_FLUSH = 2 };

struct blk_place places[BLK_PLACES] = {}; /* by device, see blk_place_of() */
struct blk_device devices[BLK_DEVICES] = {};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* user space sets the number of CPUs */
	__type(key, u32);
	__type(value, struct sampling);
} samplings SEC(".maps");

uint64_t sample_interval = 1; /* a power of two; 1: every request */

/* How many requests this one stands for. 0: it is not measured. */
static inline u64 take(u32 kind, u64 random)
{
	u32 cpu = bpf_get_smp_processor_id();
	struct sampling *own;
	u64 weight;

	if (kind >= OP_FLUSH)
		return kind == OP_FLUSH;
	own = bpf_map_lookup_elem(&samplings, &cpu);
	if (!own)
		return 0;
	weight = sampling_take(own);
	if (weight)
		sampling_next(own, sample_interval, random);
	return weight;
}

/* Whether a request counts, which is when it is complete. The write of no bytes that follows a
 * flush does not. `bytes`: completed by this event. */
static inline int counts(u32 kind, u32 bytes, u32 length)
{
	return bytes >= length && (kind == OP_FLUSH || bytes);
}

static inline int record(u32 device, u32 kind, u64 weight, u64 start)
{
	u32 slot = 0, at = blk_place_of(device);
	u64 now = bpf_ktime_get_ns(), us;
	struct blk_op *op;

	if (!start || now <= start)
		return 0;
#pragma unroll
	for (int i = 0; i < BLK_PROBES; i++)
		if (places[(at + i) & (BLK_PLACES - 1)].device == device)
			slot = places[(at + i) & (BLK_PLACES - 1)].slot;
	op = &devices[slot & (BLK_DEVICES - 1)].op[kind < BLK_OPS ? kind : 0];
	us = (now - start) / 1000;
	__sync_fetch_and_add(&op->sum_us, us * weight);
	slot = time_slot(us);
	asm volatile("" : "+r"(slot)); /* the compiler knows the bound, the verifier must see it */
	__sync_fetch_and_add(&op->slots[slot & (TIME_SLOTS - 1)], weight);
	return 0;
}

static inline u32 number(int major, int minor)
{
	return (u32)major << 20 | (u32)minor;
}

SEC("tp_btf/block_rq_complete")
int blkio_tp_btf(u64 *ctx)
{
	struct request *rq = (void *)ctx[0];
	struct request___old *old = (void *)rq;
	u64 start = rq->start_time_ns, weight;
	u32 kind = rq->cmd_flags & OP_MASK;
	struct gendisk *disk;

	weight = take(kind, start);
	if (!weight || !counts(kind, (u32)ctx[2], rq->__data_len))
		return 0;
	if (bpf_core_field_exists(old->rq_disk))
		disk = old->rq_disk;
	else
		disk = rq->q->disk;
	return record(disk ? number(disk->major, disk->first_minor) : 0, kind, weight, start);
}

SEC("raw_tp/block_rq_complete")
int blkio_raw_tp(u64 *ctx)
{
	struct request *rq = (void *)ctx[0];
	struct request___old *old = (void *)rq;
	u64 start = BPF_CORE_READ(rq, start_time_ns), weight;
	u32 kind = BPF_CORE_READ(rq, cmd_flags) & OP_MASK;
	struct gendisk *disk;

	weight = take(kind, start);
	if (!weight || !counts(kind, (u32)ctx[2], BPF_CORE_READ(rq, __data_len)))
		return 0;
	if (bpf_core_field_exists(old->rq_disk))
		disk = BPF_CORE_READ(old, rq_disk);
	else
		disk = BPF_CORE_READ(rq, q, disk);
	return record(disk ? number(BPF_CORE_READ(disk, major), BPF_CORE_READ(disk, first_minor))
			   : 0,
		      kind, weight, start);
}

char _license[] SEC("license") = "GPL";
