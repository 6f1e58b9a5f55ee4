#include "core/engine_image.h"

#include <math.h>
#include <string.h>

#include "core/law.h"
#include "core/splitmix.h"

uint64_t engine_layout(void)
{
	const size_t facts[] = {
		SIGNAL__COUNT,
		RESOURCE__COUNT,
		PLAN_SERVICES,
		sizeof(struct engine),
		sizeof(struct engine_config),
		sizeof(struct engine_view),
		sizeof(struct window_config),
		sizeof(struct window_view),
		sizeof(struct window),
		sizeof(struct pressure_state),
		sizeof(struct level_state),
		sizeof(struct backlog),
		sizeof(struct trend),
		REGIME__COUNT,
		offsetof(struct engine, pressure),
		offsetof(struct engine, level),
		offsetof(struct engine, window),
		offsetof(struct engine, backlog),
		offsetof(struct engine, memory),
		offsetof(struct engine, told),
		offsetof(struct engine, ticks),
		offsetof(struct engine, sighted_us),
	};
	uint64_t x = 0;

	for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++) {
		x ^= facts[i];
		x = splitmix_next(&x);
	}
	return x;
}

static bool trend_is_sound(const struct trend *trend)
{
	for (unsigned i = 0; i < TREND_LOOKS; i++)
		if (trend->look[i].count > TREND_POINTS || trend->look[i].next >= TREND_POINTS)
			return false;
	return true;
}

static bool is_sound(const struct engine *e)
{
	if (e->config.services > PLAN_SERVICES || e->config.epoch_us == 0 ||
	    (unsigned)e->view.state >= STATE__COUNT || (unsigned)e->view.mode > PLAN_OBSERVE ||
	    (unsigned)e->level.level.number >= LEVEL__COUNT ||
	    (unsigned)e->told.state >= STATE__COUNT || (unsigned)e->told.mode > PLAN_OBSERVE ||
	    e->view.order_reason[sizeof(e->view.order_reason) - 1])
		return false;
	for (unsigned i = 0; i < PLAN_SERVICES; i++)
		if (e->config.service[i].name[sizeof(e->config.service[i].name) - 1] ||
		    (unsigned)e->window[i].view.reason >= REASON__COUNT ||
		    (unsigned)e->window[i].view.regime >= REGIME__COUNT ||
		    (unsigned)e->window[i].view.machine > MACHINE_SATURATED)
			return false;
	return trend_is_sound(&e->memory) && trend_is_sound(&e->space) &&
	       trend_is_sound(&e->inodes);
}

int engine_take(const void *bytes, size_t size, uint64_t layout, struct engine *ret)
{
	struct engine taken;

	if (size != sizeof(taken) || layout != engine_layout())
		return -1;
	memcpy(&taken, bytes, sizeof(taken));
	if (!is_sound(&taken))
		return -2;
	*ret = taken;
	return 0;
}

/* What the window and the queue let through: where a cliff or the queue binds, that is less than
 * the server could complete, and it is that which is to be shared: PASSING_AHEAD times it, for a
 * window that a cliff makes grows with what is in it, and ranks must not keep it from being
 * full. */
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
