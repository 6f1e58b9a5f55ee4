/* Holds a simulated server against a real one that penstockd recorded. */
#ifndef PENSTOCK_SIM_AGAINST_H
#define PENSTOCK_SIM_AGAINST_H

#include <stdio.h>

#include "penstock-sim/scenario.h"

/* Twice: with as many sessions at a time as the real server had, which tells of the plant alone;
 * and with those that came, of which the law of this build refuses some. Until `end`, or as long
 * as the trace is. 0; or -errno, said on stderr. */
int against_print(const struct scenario *scenario, const char *trace, uint64_t seed, bool json,
		  FILE *out);

#endif
