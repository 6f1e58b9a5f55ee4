/* Tasks that must free memory themselves: direct reclaim (the machine has none left) and reclaim of
 * a control group (its own limit is reached; direct reclaim does not fire for that). Both begin and
 * end in the same task and do not nest. */
#include "kernel_types.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include "spans.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096); /* tasks in reclaim at one time; allocated in advance */
	__type(key, u64); /* the task, and which of the two reclaims */
	__type(value, u64);
} reclaim_open SEC(".maps");

struct spans reclaim[RECLAIM_KINDS] = {};

static inline int begin(u64 kind)
{
	u64 key = (u32)bpf_get_current_pid_tgid() | kind << 32, now = bpf_ktime_get_ns();

	if (!bpf_map_update_elem(&reclaim_open, &key, &now, BPF_NOEXIST))
		span_begin(&reclaim[kind], now);
	return 0;
}

static inline int end(u64 kind)
{
	u64 key = (u32)bpf_get_current_pid_tgid() | kind << 32, began;
	u64 *found = bpf_map_lookup_elem(&reclaim_open, &key);

	if (!found)
		return 0;
	began = *found;
	bpf_map_delete_elem(&reclaim_open, &key);
	span_end(&reclaim[kind], began, bpf_ktime_get_ns());
	return 0;
}

#define BOTH(form) \
	SEC(#form "/mm_vmscan_direct_reclaim_begin") \
	int direct_begin_##form(u64 *ctx) \
	{ \
		return begin(RECLAIM_DIRECT); \
	} \
	SEC(#form "/mm_vmscan_direct_reclaim_end") \
	int direct_end_##form(u64 *ctx) \
	{ \
		return end(RECLAIM_DIRECT); \
	} \
	SEC(#form "/mm_vmscan_memcg_reclaim_begin") \
	int cgroup_begin_##form(u64 *ctx) \
	{ \
		return begin(RECLAIM_CGROUP); \
	} \
	SEC(#form "/mm_vmscan_memcg_reclaim_end") \
	int cgroup_end_##form(u64 *ctx) \
	{ \
		return end(RECLAIM_CGROUP); \
	}

BOTH(tp_btf)
BOTH(raw_tp)

char _license[] SEC("license") = "GPL";
