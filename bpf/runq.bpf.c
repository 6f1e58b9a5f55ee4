/* Run-queue latency with one hook and no state for each task. At sched_switch the kernel still
 * knows when the task that is about to run was queued (sched_info.last_queued), on the clock of its
 * run queue. The tracepoint fires before the field is zeroed, so this is the time that the kernel
 * adds to run_delay (kernel/sched/stats.h, sched_info_arrive).
 *
 * This is the busiest hook of all, so most events are only counted (sampling.h). At a still higher
 * rate the program is detached for part of the time, because calling it costs several times as much
 * as its work (daemon/kernel/duty_cycle.h). */
#include "kernel_types.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include "sampling.h"
#include "time_slot.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* user space sets the number of CPUs */
	__type(key, u32);
	__type(value, struct runq_row);
} runq_rows SEC(".maps");

uint64_t sample_interval = 1; /* a power of two; 1: every event */
uint64_t times =
	1; /* each event stands for so many, because this program is attached part of the time */
uint64_t mta_cgroup = 0; /* cgroup2 id whose tasks are counted separately; 0: none */

static inline struct runq_row *own_row(void)
{
	u32 cpu = bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&runq_rows, &cpu);
}

static inline void put(struct hist *hist, u64 us, u64 weight)
{
	u32 slot = time_slot(us);

	asm volatile("" : "+r"(slot)); /* the compiler knows the bound, the verifier must see it */
	hist->slots[slot & (TIME_SLOTS - 1)] += weight;
	hist->sum_us += us * weight;
}

static inline int record(struct runq_row *row, u64 weight, u64 queued, u64 clock, u64 cgroup)
{
	/* A coarse clock (used if the kernel found the time stamp counter unstable) may not have
	 * moved. That was a short wait, and it counts as a wait. */
	u64 us = clock > queued ? (clock - queued) / 1000 : 0;

	weight *= times;
	put(&row->all, us, weight);
	if (cgroup && cgroup == mta_cgroup)
		put(&row->mta, us, weight);
	return 0;
}

SEC("tp_btf/sched_switch")
int runq_tp_btf(u64 *ctx)
{
	struct task_struct *next = (void *)ctx[2];
	struct runq_row *row = own_row();
	u64 weight = row ? sampling_take(&row->sampling) : 0, queued, clock;

	if (!row || !weight)
		return 0;
	clock = next->se.cfs_rq->rq->clock;
	sampling_next(&row->sampling, sample_interval, clock);
	queued = next->sched_info.last_queued;
	if (!queued || next->pid == 0)
		return 0;
	return record(row, weight, queued, clock, mta_cgroup ? next->cgroups->dfl_cgrp->kn->id : 0);
}

SEC("raw_tp/sched_switch")
int runq_raw_tp(u64 *ctx)
{
	struct task_struct *next = (void *)ctx[2];
	struct runq_row *row = own_row();
	u64 weight = row ? sampling_take(&row->sampling) : 0, queued, clock;

	if (!row || !weight)
		return 0;
	clock = BPF_CORE_READ(next, se.cfs_rq, rq, clock);
	sampling_next(&row->sampling, sample_interval, clock);
	queued = BPF_CORE_READ(next, sched_info.last_queued);
	if (!queued || BPF_CORE_READ(next, pid) == 0)
		return 0;
	return record(row, weight, queued, clock,
		      mta_cgroup ? BPF_CORE_READ(next, cgroups, dfl_cgrp, kn, id) : 0);
}

char _license[] SEC("license") = "GPL";
