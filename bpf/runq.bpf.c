/* Run-queue latency with one hook and no state a task: at sched_switch the kernel still has, for the task that is about to
 * run, when it was queued (sched_info.last_queued) on the clock of its run queue. The tracepoint fires before the field is
 * zeroed: it is what the kernel adds to run_delay (kernel/sched/stats.h, sched_info_arrive). */
#include "kernel_types.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include "time_slot.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, TIME_SLOTS + 1); /* the last: sum of us */
	__type(key, u32);
	__type(value, u64);
} runq_hist SEC(".maps");

static inline void add(u32 key, u64 value)
{
	u64 *v = bpf_map_lookup_elem(&runq_hist, &key);

	if (v)
		*v += value;
}

static inline int record(u64 queued, u64 clock)
{
	u64 us;

	if (!queued || clock <= queued)
		return 0;
	us = (clock - queued) / 1000;
	add(time_slot(us), 1);
	add(TIME_SLOTS, us);
	return 0;
}

SEC("tp_btf/sched_switch")
int runq_tp_btf(u64 *ctx)
{
	struct task_struct *next = (void *)ctx[2];
	u64 queued = next->sched_info.last_queued;

	if (!queued || next->pid == 0)
		return 0;
	return record(queued, next->se.cfs_rq->rq->clock);
}

SEC("raw_tp/sched_switch")
int runq_raw_tp(u64 *ctx)
{
	struct task_struct *next = (void *)ctx[2];
	u64 queued = BPF_CORE_READ(next, sched_info.last_queued);

	if (!queued || BPF_CORE_READ(next, pid) == 0)
		return 0;
	return record(queued, BPF_CORE_READ(next, se.cfs_rq, rq, clock));
}

char _license[] SEC("license") = "GPL";
