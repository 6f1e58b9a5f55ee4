/* What clients were told lately, over all services, under the present order and mode. What they
 * were told under an earlier order or mode does not count. Pure. */
#ifndef PENSTOCK_CORE_TOLD_RATES_H
#define PENSTOCK_CORE_TOLD_RATES_H

#include "core/load.h"
#include "core/plan.h"

/* All zeros: no client was told anything yet. */
struct told_rates {
	uint64_t offered, deferred; /* counters of the tick before */
	double offered_per_s, deferred_per_s; /* smoothed */
	enum plan_order order;
	enum plan_mode mode;
	uint32_t known; /* bit i: the counts of service i were seen in the tick before */
	/* ticks until the counters no longer contain what clients were told before */
	unsigned settles;
};

/* One tick. A service that is never shed counts too, since it can be drained. What enforcing would
 * refuse counts as deferred. */
void told_rates_step(struct told_rates *told, enum plan_order order, enum plan_mode mode,
		     const struct load *load, unsigned services, double dt_s);
/* Of what was offered, the share that was deferred, 0 to 1; 0: nothing was offered. */
double told_rates_deferred(const struct told_rates *told);

#endif
