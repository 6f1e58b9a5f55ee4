/* How long tasks stay in some place of the kernel: in at one tracepoint, out at another. */
#ifndef PENSTOCK_BPF_STAYS_H
#define PENSTOCK_BPF_STAYS_H

#include "time_slot.h"

static inline void hist_add(struct hist *hist, u64 us)
{
	u32 slot = time_slot(us);

	asm volatile("" : "+r"(slot)); /* the compiler knows the bound, the verifier must see it */
	__sync_fetch_and_add(&hist->slots[slot & (TIME_SLOTS - 1)], 1);
	__sync_fetch_and_add(&hist->sum_us, us);
}

static inline void stay_begin(struct stays *stays, u64 now)
{
	__sync_fetch_and_add(&stays->entered, 1);
	__sync_fetch_and_add(&stays->open, 1);
	__sync_fetch_and_add(&stays->open_since_ns, now);
}

static inline void stay_end(struct stays *stays, u64 began, u64 now)
{
	__sync_fetch_and_add(&stays->open, -1);
	__sync_fetch_and_add(&stays->open_since_ns, -began);
	if (now <= began)
		return;
	__sync_fetch_and_add(&stays->finished_ns, now - began);
	hist_add(&stays->hist, (now - began) / 1000);
}

#endif
