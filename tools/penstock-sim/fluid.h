/* The least wait that an overload costs, as a fluid: arrivals and capacity of each second give a
 * backlog. In any order of service some sender waits as long as the backlog lasts. Pure. */
#ifndef PENSTOCK_SIM_FLUID_H
#define PENSTOCK_SIM_FLUID_H

#include <stdint.h>

struct fluid {
	double backlog_max; /* messages */
	/* from the first to the last second of the longest backlog: no sender has to wait longer */
	double drain_s;
	double ordered_s; /* the longest wait if all are served in the order in which they came */
};

void fluid_bound(const uint32_t *arrived, const double *capacity, uint32_t seconds,
		 struct fluid *ret);

#endif
