/* The difference between a simulated server and a recorded one, second by second. */
#ifndef PENSTOCK_SIM_DISTANCE_H
#define PENSTOCK_SIM_DISTANCE_H

#include <jansson.h>

#include "penstock-sim/ticks.h"

enum distance_figure {
	DISTANCE_COMPLETED, /* messages */
	DISTANCE_BUSY, /* sessions to which the server owes an answer, in the mean */
	DISTANCE_TIME, /* s of the server a session that finished: T */
	DISTANCE_CPU, /* cores that the server uses, in the mean */
	DISTANCE_REFUSED, /* connections */
	DISTANCE__COUNT
};

/* Errors are relative to what was recorded in that second, or to a quarter of its mean where that
 * is more; of the refused, to what was offered. Below 0: there is nothing to compare. */
struct distance {
	struct {
		double recorded, simulated; /* of the whole: a sum, a mean */
		double whole; /* the relative error of it */
		double median, p90; /* of the relative errors of the seconds */
	} figure[DISTANCE__COUNT];
};

void distance_between(const struct ticks *recorded, const struct ticks *simulated,
		      struct distance *ret);
void distance_say(FILE *out, const struct distance *distance);
json_t *distance_json(const struct distance *distance);

#endif
