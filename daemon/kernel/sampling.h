/* Which share of many events is measured: the user-space part of bpf/sampling.h. */
#ifndef PENSTOCK_KERNEL_SAMPLING_H
#define PENSTOCK_KERNEL_SAMPLING_H

#include <stdint.h>

#define SAMPLE_INTERVAL_MAX 1024u

/* N, a power of two: measure one event in N. It is the largest one that still gives the wanted
 * number of measurements a second at this rate of events. Pure. */
static inline uint64_t sample_interval_for(uint64_t events_per_s, uint64_t samples_per_s)
{
	uint64_t sample_interval = 1;

	while (sample_interval < SAMPLE_INTERVAL_MAX &&
	       events_per_s / (2 * sample_interval) >= samples_per_s)
		sample_interval *= 2;
	return sample_interval;
}

#endif
