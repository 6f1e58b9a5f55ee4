/* Block requests by device and by kind (read, write, flush): how many, how many bytes, and how long from entry to completion,
 * scheduler queue included (iostat's await), at completion alone: the request carries its own start time, 0 where the queue
 * has iostats=0.
 *
 * A pure flush completes as FLUSH and again as a WRITE of no bytes: a write without bytes is left out. Discards and the like
 * are nobody's wait here. Which device has which slot is said by user space; the others share slot 0. */
#include "kernel_types.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include "time_slot.h"

#define OP_MASK 255 /* REQ_OP_MASK, include/linux/blk_types.h */
enum { OP_READ = 0, OP_WRITE = 1, OP_FLUSH = 2 };

struct blk_place places[BLK_PLACES] = {}; /* by device, see blk_place_of() */
struct blk_device devices[BLK_DEVICES] = {};

static inline int record(u32 device, u32 flags, u64 start, u32 length, u32 bytes)
{
	u64 now = bpf_ktime_get_ns(), us;
	u32 kind = flags & OP_MASK, slot = 0, at = blk_place_of(device);
	struct blk_op *op;

	if (kind > OP_FLUSH || (kind != OP_FLUSH && !bytes))
		return 0;
#pragma unroll
	for (int i = 0; i < BLK_PROBES; i++)
		if (places[(at + i) & (BLK_PLACES - 1)].device == device)
			slot = places[(at + i) & (BLK_PLACES - 1)].slot;
	op = &devices[slot & (BLK_DEVICES - 1)].op[kind];
	if (bytes)
		__sync_fetch_and_add(&op->bytes, bytes);
	/* A completion in part counts when the whole is done. */
	if (bytes < length)
		return 0;
	__sync_fetch_and_add(&op->count, 1);
	if (!start || now <= start)
		return 0;
	us = (now - start) / 1000;
	__sync_fetch_and_add(&op->sum_us, us);
	slot = time_slot(us);
	asm volatile("" : "+r"(slot)); /* the compiler knows the bound, the verifier must see it */
	__sync_fetch_and_add(&op->slots[slot & (TIME_SLOTS - 1)], 1);
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
	struct gendisk *disk;

	/* The third argument: bytes that this completion ends. */
	if (bpf_core_field_exists(old->rq_disk))
		disk = old->rq_disk;
	else
		disk = rq->q->disk;
	return record(disk ? number(disk->major, disk->first_minor) : 0, rq->cmd_flags,
		      rq->start_time_ns, rq->__data_len, (u32)ctx[2]);
}

SEC("raw_tp/block_rq_complete")
int blkio_raw_tp(u64 *ctx)
{
	struct request *rq = (void *)ctx[0];
	struct request___old *old = (void *)rq;
	struct gendisk *disk;

	if (bpf_core_field_exists(old->rq_disk))
		disk = BPF_CORE_READ(old, rq_disk);
	else
		disk = BPF_CORE_READ(rq, q, disk);
	return record(disk ? number(BPF_CORE_READ(disk, major), BPF_CORE_READ(disk, first_minor))
			   : 0,
		      BPF_CORE_READ(rq, cmd_flags), BPF_CORE_READ(rq, start_time_ns),
		      BPF_CORE_READ(rq, __data_len), (u32)ctx[2]);
}

char _license[] SEC("license") = "GPL";
