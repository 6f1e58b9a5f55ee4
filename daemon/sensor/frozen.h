/* Detects frozen values: figures of memory that do not change by a byte while at least .8 of it is
 * used. The memory of a running machine, or of a working group, changes all the time. A figure near
 * its limit that has not changed for a minute comes from something frozen, or belongs to a server
 * that gets no mail because of this very figure. In both cases refusing mail for it would be an
 * outage. So the value is ignored, a line is logged, and the value counts again as soon as it
 * changes. Pure. */
#ifndef PENSTOCK_SENSOR_FROZEN_H
#define PENSTOCK_SENSOR_FROZEN_H

#include <stdbool.h>
#include <stdint.h>

#include "core/sample.h"

#define FROZEN_US 60000000u
#define FROZEN_SIGNALS 4

struct frozen {
	struct {
		double value;
		uint64_t since_us, told_us;
	} of[FROZEN_SIGNALS];
};

/* Removes frozen values from `sample`. True, at most every ten minutes: `ret_signal` has not
 * changed for a minute. */
bool frozen_step(struct frozen *frozen, struct sample *sample, enum signal *ret_signal);

#endif
