#include "core/told_rates.h"

#include "core/law.h"
#include "core/smooth.h"

void told_rates_step(struct told_rates *told, enum plan_order order, enum plan_mode mode,
		     const struct load *load, unsigned services, double dt_s)
{
	uint64_t offered = 0, deferred = 0;
	uint32_t known = 0;

	for (unsigned i = 0; i < services; i++) {
		known |= load->service[i].known & LOAD_OFFERED ? 1u << i : 0;
		offered += load->service[i].offered;
		deferred += load->service[i].deferred + load->service[i].would_defer;
	}
	if (told->order != order || told->mode != mode) {
		told->order = order;
		told->mode = mode;
		/* this tick, and the next one, for fronts that had not read the plan yet */
		told->settles = 2;
		told->offered_per_s = told->deferred_per_s = 0;
	}
	/* A front was there before this daemon, or is back: its counters hold what it has told
	 * clients since it began. */
	if (told->known != known && !told->settles)
		told->settles = 1;
	told->known = known;
	if (told->settles > 0) {
		told->settles--;
	} else {
		smooth_step(&told->offered_per_s, counter_delta(offered, told->offered) / dt_s,
			    dt_s, TAU_RATE_S);
		smooth_step(&told->deferred_per_s, counter_delta(deferred, told->deferred) / dt_s,
			    dt_s, TAU_RATE_S);
	}
	told->offered = offered;
	told->deferred = deferred;
}

double told_rates_deferred(const struct told_rates *told)
{
	if (told->offered_per_s <= TELLS_MIN_PER_S)
		return 0;
	return clamp_double(told->deferred_per_s / told->offered_per_s, 0, 1);
}
