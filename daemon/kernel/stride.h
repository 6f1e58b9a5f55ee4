/* Which share of many events is measured: the user-space part of bpf/stride.h. */
#ifndef PENSTOCK_KERNEL_STRIDE_H
#define PENSTOCK_KERNEL_STRIDE_H

#include <stdint.h>

#define STRIDE_MAX 1024u

/* N, a power of two: measure one event in N. It is the largest one that still gives the wanted
 * number of measurements a second at this rate of events. Pure. */
static inline uint64_t stride_for(uint64_t events_per_s, uint64_t looks_per_s)
{
	uint64_t stride = 1;

	while (stride < STRIDE_MAX && events_per_s / (2 * stride) >= looks_per_s)
		stride *= 2;
	return stride;
}

#endif
