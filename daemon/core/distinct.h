/* Counts different items in 64 bytes, with an error of about a tenth: HyperLogLog (Flajolet et al.
 * 2007) with 128 counters of four bits. Two sketches can be joined into that of all their items.
 * Small numbers are nearly exact (linear counting). All bits 0: no item.
 *
 * Example: the history joins the sketches of 60 seconds, and so knows how many sources were
 * deferred in that minute. */
#ifndef PENSTOCK_CORE_DISTINCT_H
#define PENSTOCK_CORE_DISTINCT_H

#include <stdint.h>

#define DISTINCT_COUNTERS 128u

struct distinct {
	uint8_t counters[DISTINCT_COUNTERS / 2];
};

/* `hash`: any number that stands for the item; it is mixed here. */
void distinct_add(struct distinct *distinct, uint64_t hash);
void distinct_join(struct distinct *into, const struct distinct *other);
double distinct_count(const struct distinct *distinct);

#endif
