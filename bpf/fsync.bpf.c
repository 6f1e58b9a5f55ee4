/* fsync() on ext4, from ext4_sync_file_enter to its exit in the same task: counted for all file
 * systems, and for those of the spool. The file system's device is s_dev, which stat() calls
 * st_dev. xfs and btrfs have a tracepoint only at the start. */
#include "kernel_types.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include "spans.h"
#include "wheel.h"

struct begun {
	u64 ns;
	u32 spool;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096); /* tasks in fsync() at one time */
	__type(key, u32);
	__type(value, struct begun);
} fsync_open SEC(".maps");

/* Calls by the cgroup2 id of who calls, on the file systems of the spool where these are known. The
 * journal's thread writes the commit, so the I/O of the group does not show it. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, FSYNC_GROUPS);
	__type(key, u64);
	__type(value, u64);
} fsync_groups SEC(".maps");

uint32_t spool_devices[FSYNC_SPOOLS] = {}; /* in the kernel's form, major << 20 | minor; 0: none */
struct spans fsync_all = {}, fsync_spool = {};
int32_t fsync_wheel[WHEEL_SLOTS] = {}, fsync_spool_wheel[WHEEL_SLOTS] = {};

static inline u32 is_spool(u32 device)
{
#pragma unroll
	for (int i = 0; i < FSYNC_SPOOLS; i++)
		if (spool_devices[i] && spool_devices[i] == device)
			return 1;
	return 0;
}

static inline void count_group(void)
{
	u64 id = bpf_get_current_cgroup_id(), one = 1;
	u64 *calls = bpf_map_lookup_elem(&fsync_groups, &id);

	if (calls)
		__sync_fetch_and_add(calls, 1);
	else
		bpf_map_update_elem(&fsync_groups, &id, &one, BPF_NOEXIST);
}

static inline int enter(u32 device)
{
	struct begun begun = { .ns = bpf_ktime_get_ns(), .spool = is_spool(device) };
	u32 task = (u32)bpf_get_current_pid_tgid();

	if (bpf_map_update_elem(&fsync_open, &task, &begun, BPF_NOEXIST))
		return 0;
	if (begun.spool || !spool_devices[0])
		count_group();
	span_begin(&fsync_all, begun.ns);
	wheel_add(fsync_wheel, begun.ns, 1);
	if (begun.spool) {
		span_begin(&fsync_spool, begun.ns);
		wheel_add(fsync_spool_wheel, begun.ns, 1);
	}
	return 0;
}

static inline int leave(void)
{
	u32 task = (u32)bpf_get_current_pid_tgid();
	struct begun *found = bpf_map_lookup_elem(&fsync_open, &task), begun;
	u64 now = bpf_ktime_get_ns();

	if (!found)
		return 0; /* it began before the probe */
	begun = *found;
	bpf_map_delete_elem(&fsync_open, &task);
	span_end(&fsync_all, begun.ns, now);
	wheel_add(fsync_wheel, begun.ns, -1);
	if (begun.spool) {
		span_end(&fsync_spool, begun.ns, now);
		wheel_add(fsync_spool_wheel, begun.ns, -1);
	}
	return 0;
}

SEC("tp_btf/ext4_sync_file_enter")
int fsync_enter_tp_btf(u64 *ctx)
{
	struct file *file = (void *)ctx[0];

	return enter(file->f_inode->i_sb->s_dev);
}

SEC("raw_tp/ext4_sync_file_enter")
int fsync_enter_raw_tp(u64 *ctx)
{
	struct file *file = (void *)ctx[0];

	return enter(BPF_CORE_READ(file, f_inode, i_sb, s_dev));
}

SEC("tp_btf/ext4_sync_file_exit")
int fsync_exit_tp_btf(u64 *ctx)
{
	return leave();
}

SEC("raw_tp/ext4_sync_file_exit")
int fsync_exit_raw_tp(u64 *ctx)
{
	return leave();
}

char _license[] SEC("license") = "GPL";
