/* How many tickets and sessions each address holds, in the map `held`. Part of gate_count.h; a test
 * includes it with a map of its own, and tries all orders in which CPUs can take the steps. */
#ifndef PENSTOCK_BPF_GATE_HELD_H
#define PENSTOCK_BPF_GATE_HELD_H

/* Adds `by` to the sessions of an address. If the map is full, a further address is not counted,
 * and so not limited. An address with a count that is too low is limited late until its last
 * session ends; one that is too high would be limited for good. So of two CPUs that count at once,
 * the one that is late leaves its session uncounted. */
static inline void hold(u64 who, int64_t by)
{
	int64_t *n = bpf_map_lookup_elem(&held, &who), one = 1;

	if (!n && by > 0 && bpf_map_update_elem(&held, &who, &one, BPF_NOEXIST) == -E_EXIST)
		n = bpf_map_lookup_elem(&held, &who);
	if (!n)
		return;
	__sync_fetch_and_add(n, by);
	if (by < 0) {
		if (*(volatile int64_t *)n <= 0)
			bpf_map_delete_elem(&held, &who);
	} else if (bpf_map_lookup_elem(&held, &who) != n) {
		/* The last session ended on another CPU since we looked: the kernel may have given
		 * the entry to another address. */
		__sync_fetch_and_add(n, -by);
	}
}

#endif
