/* Commits of the journal of ext4 (and ocfs2), which an fsync() waits for; for kernels on which
 * fsync() itself cannot be seen. A journal commits one transaction at a time, in its own thread. */
#include "kernel_types.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include "spans.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256); /* journals */
	__type(key, u32); /* the thread */
	__type(value, u64);
} commit_open SEC(".maps");

struct spans commits = {};

static inline int begin(void)
{
	u32 task = (u32)bpf_get_current_pid_tgid();
	u64 now = bpf_ktime_get_ns();

	if (!bpf_map_update_elem(&commit_open, &task, &now, BPF_NOEXIST))
		span_begin(&commits, now);
	return 0;
}

static inline int end(void)
{
	u32 task = (u32)bpf_get_current_pid_tgid();
	u64 *found = bpf_map_lookup_elem(&commit_open, &task), began;

	if (!found)
		return 0;
	began = *found;
	bpf_map_delete_elem(&commit_open, &task);
	span_end(&commits, began, bpf_ktime_get_ns());
	return 0;
}

SEC("tp_btf/jbd2_start_commit")
int jbd2_begin_tp_btf(u64 *ctx)
{
	return begin();
}

SEC("raw_tp/jbd2_start_commit")
int jbd2_begin_raw_tp(u64 *ctx)
{
	return begin();
}

SEC("tp_btf/jbd2_end_commit")
int jbd2_end_tp_btf(u64 *ctx)
{
	return end();
}

SEC("raw_tp/jbd2_end_commit")
int jbd2_end_raw_tp(u64 *ctx)
{
	return end();
}

char _license[] SEC("license") = "GPL";
