/* What the network's soft interrupts take while no process is charged for them: on top of the idle
 * task and in ksoftirqd. Where they run on top of a process, the process' own CPU time has them.
 * Per CPU, in ns. */
#include "kernel_types.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

enum { NET_TX = 2, NET_RX = 3, TASKLET = 6 };

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2); /* 0: when the one under way began; 1: the sum */
	__type(key, u32);
	__type(value, u64);
} meter SEC(".maps");

static inline int uncharged(void)
{
	char comm[16] = "";

	if (!(u32)bpf_get_current_pid_tgid())
		return 1;
	bpf_get_current_comm(comm, sizeof(comm));
	return comm[0] == 'k' && comm[1] == 's' && comm[2] == 'o' && comm[3] == 'f' &&
	       comm[4] == 't';
}

static inline int network(u32 vector)
{
	return vector == NET_TX || vector == NET_RX || vector == TASKLET;
}

SEC("tp_btf/softirq_entry")
int meter_entry(u64 *ctx)
{
	u32 zero = 0;
	u64 *began = bpf_map_lookup_elem(&meter, &zero);

	if (began)
		*began = network((u32)ctx[0]) && uncharged() ? bpf_ktime_get_ns() : 0;
	return 0;
}

SEC("tp_btf/softirq_exit")
int meter_exit(u64 *ctx)
{
	u32 zero = 0, one = 1;
	u64 *began = bpf_map_lookup_elem(&meter, &zero), *sum = bpf_map_lookup_elem(&meter, &one);

	if (began && sum && *began) {
		*sum += bpf_ktime_get_ns() - *began;
		*began = 0;
	}
	return 0;
}

char _license[] SEC("license") = "GPL";
