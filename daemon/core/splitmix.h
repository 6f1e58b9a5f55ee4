/* splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014): a small
 * generator for salts and simulations, the same for the same seed everywhere. Not for secrets. */
#ifndef PENSTOCK_CORE_SPLITMIX_H
#define PENSTOCK_CORE_SPLITMIX_H

#include <stdint.h>

static inline uint64_t splitmix_next(uint64_t *state)
{
	uint64_t x = *state += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

/* 0 <= x < 1 */
static inline double splitmix_unit(uint64_t *state)
{
	return (double)(splitmix_next(state) >> 11) / 9007199254740992.0;
}

#endif
