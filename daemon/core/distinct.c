#include "core/distinct.h"

#include <math.h>

#include "core/splitmix.h"

#define RANK_MAX 15u /* the largest value of four bits: enough for a million items */
#define ALPHA (0.7213 / (1 + 1.079 / DISTINCT_COUNTERS))
#define LINEAR_BELOW (2.5 * DISTINCT_COUNTERS)

static unsigned get(const struct distinct *d, unsigned i)
{
	return d->counters[i / 2] >> (i % 2 * 4) & 15u;
}

static void raise(struct distinct *d, unsigned i, unsigned to)
{
	unsigned shift = i % 2 * 4;

	if (to > get(d, i))
		d->counters[i / 2] =
			(uint8_t)((d->counters[i / 2] & ~(15u << shift)) | to << shift);
}

void distinct_add(struct distinct *d, uint64_t hash)
{
	uint64_t mixed = splitmix_next(&hash), rest = mixed / DISTINCT_COUNTERS;
	unsigned rank = rest ? (unsigned)__builtin_ctzll(rest) + 1 : RANK_MAX;

	raise(d, (unsigned)(mixed % DISTINCT_COUNTERS), rank < RANK_MAX ? rank : RANK_MAX);
}

void distinct_join(struct distinct *into, const struct distinct *other)
{
	for (unsigned i = 0; i < DISTINCT_COUNTERS; i++)
		raise(into, i, get(other, i));
}

double distinct_count(const struct distinct *d)
{
	unsigned empty = 0;
	double sum = 0, raw;

	for (unsigned i = 0; i < DISTINCT_COUNTERS; i++) {
		sum += 1.0 / (1u << get(d, i));
		empty += get(d, i) == 0;
	}
	raw = ALPHA * DISTINCT_COUNTERS * DISTINCT_COUNTERS / sum;
	return raw < LINEAR_BELOW && empty
		       ? DISTINCT_COUNTERS * log((double)DISTINCT_COUNTERS / empty)
		       : raw;
}
