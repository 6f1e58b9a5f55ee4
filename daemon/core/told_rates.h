/* What clients were told in the last two seconds or so, by service and over all, under the present
 * order and mode. What they were told under an earlier order or mode does not count. It is the one
 * share that all outlets show. Pure. */
#ifndef PENSTOCK_CORE_TOLD_RATES_H
#define PENSTOCK_CORE_TOLD_RATES_H

#include "core/load.h"
#include "core/plan.h"

struct told_service {
	uint64_t offered, deferred; /* counters of the tick before */
	double offered_per_s, deferred_per_s; /* means over about two seconds (TAU_RATE_S) */
};

/* All zeros: no client was told anything yet. */
struct told_rates {
	struct told_service service[PLAN_SERVICES];
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
/* Another service has this number now: its counters are not those of the tick before. */
void told_rates_forget(struct told_rates *told, unsigned service);
/* Of what was offered, the share that was deferred, 0 to 1; 0: next to nothing was offered. */
double told_rates_deferred(const struct told_rates *told);
/* The same of one service. */
double told_rates_deferred_by(const struct told_rates *told, unsigned service);

#endif
