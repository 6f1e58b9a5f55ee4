/* Counts processes that the kernel kills because memory of the machine or of a control group is
 * short: mark_victim. */
#include "kernel_types.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "shared.h"

uint64_t oom_kills = 0;

SEC("tp_btf/mark_victim")
int oom_tp_btf(u64 *ctx)
{
	__sync_fetch_and_add(&oom_kills, 1);
	return 0;
}

SEC("raw_tp/mark_victim")
int oom_raw_tp(u64 *ctx)
{
	__sync_fetch_and_add(&oom_kills, 1);
	return 0;
}

char _license[] SEC("license") = "GPL";
