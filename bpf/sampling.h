/* Sampling at high rates: most events only count down to the next one that is measured. User space
 * sets `sample_interval` from the rate of events. The distance to the next measured event is
 * random, from 0 to twice the interval: with a fixed distance, of two kinds of events that
 * alternate only one would be measured. */
#ifndef PENSTOCK_BPF_SAMPLING_H
#define PENSTOCK_BPF_SAMPLING_H

#include "shared.h"

/* How many events this one stands for. 0: it is only counted. */
static inline u64 sampling_take(struct sampling *s)
{
	u64 weight;

	if (s->left) {
		s->left--;
		return 0;
	}
	weight = s->weight + 1;
	s->events += weight;
	return weight;
}

/* Call it after an event was measured. `sample_interval`: a power of two, 1: every event. `random`:
 * any number that changes. */
static inline void sampling_next(struct sampling *s, u64 sample_interval, u64 random)
{
	u64 distance = 0;

	if (sample_interval > 1)
		distance = ((random * 0x9e3779b97f4a7c15ull) >> 32) & (2 * sample_interval - 1);
	s->left = distance;
	s->weight = distance;
}

#endif
