/* Compares a simulated server with a real one that penstockd recorded. */
#ifndef PENSTOCK_SIM_AGAINST_H
#define PENSTOCK_SIM_AGAINST_H

#include <stdio.h>

#include "penstock-sim/scenario.h"

/* Runs the scenario twice: first with as many sessions at a time as the real server had, which
 * shows the plant alone; then with the connections that came, of which the law of this build
 * refuses some. Until `end`, or to the end of the trace. 0, or -errno with a message on stderr. */
int against_print(const struct scenario *scenario, const char *trace, uint64_t seed, bool json,
		  FILE *out);

#endif
