/* Detects frozen values: they are over their target and do not change by a byte. The memory of a
 * running machine, or of a working group, changes all the time. A figure near its limit that has
 * not changed for a minute comes from something frozen, or belongs to a server that gets no mail
 * because of this very figure. To go on refusing would be an outage in both cases: the value is
 * ignored, a line is logged, and it counts again as soon as it changes. Pure. */
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

/* Takes out of `sample` what is frozen. True when there is news: `ret_signal` has not moved for a
 * minute (told at most every ten minutes). */
bool frozen_step(struct frozen *frozen, struct sample *sample, enum signal *ret_signal);

#endif
