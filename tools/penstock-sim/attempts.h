/* How old mail gets if the decider knows every sender's timetable and the end of the overload. In
 * each second, of the senders that try in it, the one that would come back the latest is served
 * first. Attempts come at their own times, so unlike the fluid's bound this one can be reached by a
 * decider that knows all of that. It does not model pauses of a whole destination. Pure. */
#ifndef PENSTOCK_SIM_ATTEMPTS_H
#define PENSTOCK_SIM_ATTEMPTS_H

#include <stdint.h>

#include "penstock-sim/retry.h"

struct attempts_class {
	const uint32_t *arrived; /* messages in each second */
	enum retry retry;
};

/* The quantile `q` of the ages (s) of the messages that were served, but not at once; -1: there are
 * none. */
double attempts_age(const struct attempts_class *classes, unsigned count, const double *capacity,
		    uint32_t seconds, double q);

#endif
