/* The slot of a time in a log-linear histogram: as counts_slot() of core/counts.h, without
 * loops. */
#ifndef PENSTOCK_BPF_TIME_SLOT_H
#define PENSTOCK_BPF_TIME_SLOT_H

#include "shared.h"

static inline u32 log2_u64(u64 v)
{
	u32 r = 0, s;

	s = (v > 0xffffffffull) << 5;
	v >>= s;
	r |= s;
	s = (v > 0xffff) << 4;
	v >>= s;
	r |= s;
	s = (v > 0xff) << 3;
	v >>= s;
	r |= s;
	s = (v > 0xf) << 2;
	v >>= s;
	r |= s;
	s = (v > 0x3) << 1;
	v >>= s;
	r |= s;
	return r | (u32)(v >> 1);
}

static inline u32 time_slot(u64 v)
{
	u32 power, slot;

	if (v < 8)
		return (u32)v;
	power = log2_u64(v);
	slot = (power - 2) * 8 + (u32)((v >> (power - 3)) & 7);
	return slot < TIME_SLOTS ? slot : TIME_SLOTS - 1;
}

#endif
