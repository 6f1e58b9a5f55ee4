/* One mail-facility line per refused source and epoch: "was 203.0.113.9 refused at 14:03?" Bounded in memory and in lines. */
#ifndef PENSTOCK_REFUSE_REFUSALS_H
#define PENSTOCK_REFUSE_REFUSALS_H

#include <netinet/in.h>
#include <stdint.h>

#include "core/reason.h"

#define REFUSALS_SOURCES 1024
#define REFUSALS_LINES 200

struct refusals {
	uint64_t epoch;
	uint64_t others; /* refusals of sources that found no room */
	unsigned used;
	struct {
		struct in6_addr address;
		uint32_t count;
		uint8_t reason;
	} source[REFUSALS_SOURCES];
};

/* Counts a refusal; a new epoch first writes the lines of the one before. */
void refusals_add(struct refusals *refusals, uint64_t epoch, const struct in6_addr *address,
		  enum reason reason);
/* Writes what there is when the epoch is over. */
void refusals_flush(struct refusals *refusals, uint64_t epoch);

#endif
