/* What an overload must cost in waiting, as a fluid: what comes and the capacity, second by second,
 * make a backlog; however it is ordered, some sender waits as long as it stands. Pure. */
#ifndef PENSTOCK_SIM_FLUID_H
#define PENSTOCK_SIM_FLUID_H

#include <stdint.h>

struct fluid {
	double backlog_max; /* messages */
	/* from the first second of backlog to the last, of the longest stretch: no sender need wait
	 * longer */
	double drain_s;
	double ordered_s; /* the longest wait if all are served in the order in which they came */
};

void fluid_bound(const uint32_t *arrived, const double *capacity, uint32_t seconds,
		 struct fluid *ret);

#endif
