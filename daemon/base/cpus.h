/* How many CPUs this process may use. */
#ifndef PENSTOCK_BASE_CPUS_H
#define PENSTOCK_BASE_CPUS_H

#include <sched.h>

/* CPUs in the affinity mask (sched_getaffinity(2)), at least 1. A quota of a control group does not
 * count here. */
static inline double cpus_allowed(void)
{
	cpu_set_t cpus;

	return sched_getaffinity(0, sizeof(cpus), &cpus) == 0 ? CPU_COUNT(&cpus) : 1;
}

#endif
