/* Spans: how long tasks are inside a code path of the kernel, between its enter and its exit
 * tracepoint. */
#ifndef SPANS_H
#define SPANS_H

#include "time_slot.h"

static inline void hist_add(struct hist *hist, u64 us)
{
	u32 slot = time_slot(us);

	asm volatile("" : "+r"(slot)); /* the compiler knows the bound, the verifier must see it */
	__sync_fetch_and_add(&hist->slots[slot & (TIME_SLOTS - 1)], 1);
	__sync_fetch_and_add(&hist->sum_us, us);
}

/* penstockd reads these numbers while they change. It relies on the order of the steps
 * (daemon/kernel/open_sum.h). */
static inline void span_begin(struct spans *spans, u64 now)
{
	__sync_fetch_and_add(&spans->entered, 1);
	__sync_fetch_and_add(&spans->open_since_ns, now);
	__sync_fetch_and_add(&spans->open, 1);
}

static inline void span_end(struct spans *spans, u64 began, u64 now)
{
	__sync_fetch_and_add(&spans->open, -1);
	if (now > began)
		__sync_fetch_and_add(&spans->finished_ns, now - began);
	__sync_fetch_and_add(&spans->open_since_ns, -began);
	if (now > began)
		hist_add(&spans->hist, (now - began) / 1000);
}

#endif
