/* The oldest of what began and has not ended: the user-space part of bpf/wheel.h. */
#ifndef PENSTOCK_KERNEL_WHEEL_H
#define PENSTOCK_KERNEL_WHEEL_H

#include <stdint.h>

#include "shared.h"

/* The probes go on while user space reads. So slots ahead of the reader's clock are used too: they
 * hold what began after `now_us` was taken, and not what is a whole turn of the wheel old. The
 * reader may be late by so many slots (8.6 s). */
#define WHEEL_AHEAD (WHEEL_SLOTS / 8)

/* How old the oldest is at least, in microseconds, from 1 to 60,129,542; it may be up to 67,108
 * older. 0: nothing is open, or nothing has been since before the slot of `now_us`. What is older
 * than 60 s is not found, or taken for younger. `now_us`: CLOCK_MONOTONIC. Pure.
 *
 * "At least", because a slot does not tell when in its 67 ms something began: an fsync() of 20 us
 * that began at the very end of a slot must not count as one of 67 ms. */
static inline uint64_t wheel_oldest_us(const int32_t wheel[WHEEL_SLOTS], uint64_t now_us)
{
	uint64_t now_ns = now_us * 1000, now = now_ns >> WHEEL_SHIFT;

	for (uint64_t age = WHEEL_SLOTS - WHEEL_AHEAD; age > 0; age--)
		if (now >= age &&
		    __atomic_load_n(&wheel[(now - age) & (WHEEL_SLOTS - 1)], __ATOMIC_RELAXED) > 0)
			return (now_ns - ((now - age + 1) << WHEEL_SHIFT)) / 1000 + 1;
	return 0;
}

#endif
