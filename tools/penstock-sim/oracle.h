/* How many messages must bounce with any law: mail of several patiences, second by second, against
 * a capacity; the earliest deadline is served first. For jobs of one size that loses the fewest
 * messages (each second is a slot; Jackson 1955). It may serve a message at any time between its
 * arrival and its last try, while a real sender only tries at certain times. So this is a lower
 * bound. Pure. */
#ifndef PENSTOCK_SIM_ORACLE_H
#define PENSTOCK_SIM_ORACLE_H

#include <stdint.h>

#define ORACLE_CLASSES 16

struct oracle_class {
	const uint32_t *arrived; /* messages in each second */
	double patience_s; /* a message that is not served within this time is lost */
};

/* Messages of all classes that are lost before `seconds` is over; `capacity[s]` is what second s
 * can serve. */
uint64_t oracle_lost(const struct oracle_class *classes, unsigned count, const double *capacity,
		     uint32_t seconds);

#endif
