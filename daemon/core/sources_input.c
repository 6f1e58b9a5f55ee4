#include "core/sources_input.h"

#include <math.h>
#include <string.h>

#include "core/law.h"

/* What the window and the queue let through. If a cliff or the queue binds, that is less than the
 * server could complete, and it is what sources share. It is taken PASSING_AHEAD times: a window
 * made by a cliff grows with the sessions in it, and ranks must not keep it from being full. */
static double passing(const struct window *w)
{
	const struct window_view *v = &w->view;
	double session_s = v->target_time_s + w->unloaded.time_s + v->think_time_s;
	double x = v->capacity_per_s;

	if (v->law != LAW_CAPACITY)
		return -1;
	if (session_s > 0)
		x = fmin(x, PASSING_AHEAD * v->window / session_s);
	return v->queue_allowed_per_s > 0 ? fmin(x, v->queue_allowed_per_s) : x;
}

void source_input_from(const struct engine *engine, const struct load *load, uint64_t now_us,
		       uint64_t realtime_us, struct source_input *ret)
{
	bool observe = engine->view.mode == PLAN_OBSERVE;

	memset(ret, 0, sizeof(*ret));
	ret->now_us = now_us;
	ret->realtime_us = realtime_us;
	for (unsigned i = 0; i < engine->config.services; i++) {
		const struct window_view *w = &engine->view.window[i];
		const struct load_service *l = &load->service[i];

		ret->service[i] = (struct source_load){
			.capacity_per_s = passing(&engine->window[i]),
			.admitted_per_s = w->admitted_per_s,
			.in_flight = !(l->known & LOAD_IN_FLIGHT) ? -1
				     : observe			  ? l->shadow_in_flight
								  : l->in_flight,
			.window = w->law == LAW_OPEN || engine->view.spared[i] ? -1 : w->window,
			.most = w->hard,
			.refusing = w->refusing,
		};
	}
}
