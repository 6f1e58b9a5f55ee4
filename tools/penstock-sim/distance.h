/* The difference between a simulated server and a recorded one, second by second. */
#ifndef PENSTOCK_SIM_DISTANCE_H
#define PENSTOCK_SIM_DISTANCE_H

#include <jansson.h>

#include "penstock-sim/ticks.h"

enum distance_figure {
	DISTANCE_COMPLETED, /* messages */
	DISTANCE_BUSY, /* busy sessions, mean */
	DISTANCE_TIME, /* T: seconds of the server for each finished session */
	DISTANCE_CPU, /* cores that the server uses, mean */
	DISTANCE_FILTER, /* cores that the filter behind the queue uses, mean */
	DISTANCE_REFUSED, /* connections */
	DISTANCE__COUNT
};

/* Errors are relative to the recorded value of that second, or to a quarter of its mean if that is
 * larger; those of refusals to what was offered. Below 0: there is nothing to compare. */
struct distance {
	struct {
		double recorded, simulated; /* of the whole run: a sum, or a mean */
		double whole; /* the relative error of it */
		double median, p90; /* of the relative errors of the seconds */
	} figure[DISTANCE__COUNT];
};

void distance_between(const struct ticks *recorded, const struct ticks *simulated,
		      struct distance *ret);
void distance_say(FILE *out, const struct distance *distance);
json_t *distance_json(const struct distance *distance);

#endif
