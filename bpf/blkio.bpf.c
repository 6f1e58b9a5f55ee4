/* Block I/O latency from entry to completion, scheduler queue included (iostat's await), at completion alone: the request
 * carries its own start time. 0 where the queue has iostats=0. A pure flush completes as FLUSH and again as a WRITE of no
 * bytes: requests without bytes are left out. */
#include "kernel_types.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include "time_slot.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, TIME_SLOTS + 1);
	__type(key, u32);
	__type(value, u64);
} blkio_hist SEC(".maps");

static inline int record(u64 start, u32 bytes)
{
	u64 now = bpf_ktime_get_ns(), us, *v;
	u32 slot, sum = TIME_SLOTS;

	if (!start || !bytes || now <= start)
		return 0;
	us = (now - start) / 1000;
	slot = time_slot(us);
	v = bpf_map_lookup_elem(&blkio_hist, &slot);
	if (v)
		*v += 1;
	v = bpf_map_lookup_elem(&blkio_hist, &sum);
	if (v)
		*v += us;
	return 0;
}

SEC("tp_btf/block_rq_complete")
int blkio_tp_btf(u64 *ctx)
{
	struct request *rq = (void *)ctx[0];

	/* The third argument: bytes that this completion ends. A partial completion counts once, at its end. */
	return record(rq->start_time_ns, (u32)ctx[2]);
}

SEC("raw_tp/block_rq_complete")
int blkio_raw_tp(u64 *ctx)
{
	struct request *rq = (void *)ctx[0];

	return record(BPF_CORE_READ(rq, start_time_ns), (u32)ctx[2]);
}

char _license[] SEC("license") = "GPL";
