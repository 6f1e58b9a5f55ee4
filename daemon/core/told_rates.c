#include "core/told_rates.h"

#include <stdbool.h>

#include "core/law.h"
#include "core/smooth.h"

static void step_service(struct told_service *told, const struct load_service *load, bool counts,
			 double dt_s)
{
	uint64_t deferred = load->deferred + load->would_defer;

	if (counts) {
		smooth_step(&told->offered_per_s,
			    counter_delta(load->offered, told->offered) / dt_s, dt_s, TAU_RATE_S);
		smooth_step(&told->deferred_per_s, counter_delta(deferred, told->deferred) / dt_s,
			    dt_s, TAU_RATE_S);
	}
	told->offered = load->offered;
	told->deferred = deferred;
}

void told_rates_step(struct told_rates *told, enum plan_order order, enum plan_mode mode,
		     const struct load *load, unsigned services, double dt_s)
{
	uint32_t known = 0;

	for (unsigned i = 0; i < services; i++)
		known |= load->service[i].known & LOAD_OFFERED ? 1u << i : 0;
	if (told->order != order || told->mode != mode) {
		told->order = order;
		told->mode = mode;
		/* this tick, and the next one, for fronts that had not read the plan yet */
		told->settles = 2;
		for (unsigned i = 0; i < PLAN_SERVICES; i++)
			told->service[i].offered_per_s = told->service[i].deferred_per_s = 0;
	}
	/* A front was there before this daemon, or is back: its counters hold what it has told
	 * clients since it began. */
	if (told->known != known && !told->settles)
		told->settles = 1;
	told->known = known;
	for (unsigned i = 0; i < services; i++)
		step_service(&told->service[i], &load->service[i], !told->settles, dt_s);
	if (told->settles > 0)
		told->settles--;
}

void told_rates_forget(struct told_rates *told, unsigned service)
{
	told->service[service] = (struct told_service){ 0 };
	if (!told->settles)
		told->settles = 1;
}

static double share(double offered_per_s, double deferred_per_s)
{
	if (offered_per_s <= TELLS_MIN_PER_S)
		return 0;
	return clamp_double(deferred_per_s / offered_per_s, 0, 1);
}

double told_rates_deferred(const struct told_rates *told)
{
	double offered = 0, deferred = 0;

	for (unsigned i = 0; i < PLAN_SERVICES; i++) {
		offered += told->service[i].offered_per_s;
		deferred += told->service[i].deferred_per_s;
	}
	return share(offered, deferred);
}

double told_rates_deferred_by(const struct told_rates *told, unsigned service)
{
	const struct told_service *s = &told->service[service];

	return share(s->offered_per_s, s->deferred_per_s);
}
