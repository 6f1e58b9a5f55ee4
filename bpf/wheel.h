/* Counts what began, and has not ended, in a wheel of times (WHEEL_SLOTS of shared.h). */
#ifndef PENSTOCK_BPF_WHEEL_H
#define PENSTOCK_BPF_WHEEL_H

#include "shared.h"

/* `began_ns` of bpf_ktime_get_ns(); `by`: 1 when it begins, -1 when it ends. */
static inline void wheel_add(int32_t *wheel, u64 began_ns, int by)
{
	__sync_fetch_and_add(&wheel[(began_ns >> WHEEL_SHIFT) & (WHEEL_SLOTS - 1)], by);
}

#endif
