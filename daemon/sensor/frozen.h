/* Detects frozen values: they are over their target and do not change by a byte. The memory of a
 * running machine, or of a group that does work, moves all the time; a figure near its limit that
 * has not moved for a minute comes from something frozen, or is true of a server to which nothing
 * comes because of this very figure. Either way refusing for it any longer would be the outage: it
 * is left out, which is said, and is believed again as soon as it moves. Pure. */
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
