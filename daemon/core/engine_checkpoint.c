#include "core/engine_checkpoint.h"

#include <string.h>

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
		offsetof(struct engine, forecast),
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
	    (unsigned)e->told.order > PLAN_BLIND || (unsigned)e->told.mode > PLAN_OBSERVE ||
	    e->view.order_reason[sizeof(e->view.order_reason) - 1])
		return false;
	for (unsigned i = 0; i < PLAN_SERVICES; i++)
		if (e->config.service[i].name[sizeof(e->config.service[i].name) - 1] ||
		    (unsigned)e->window[i].view.reason >= REASON__COUNT ||
		    (unsigned)e->window[i].view.regime >= REGIME__COUNT ||
		    (unsigned)e->window[i].view.machine > MACHINE_SATURATED)
			return false;
	return trend_is_sound(&e->forecast.memory) && trend_is_sound(&e->forecast.space) &&
	       trend_is_sound(&e->forecast.inodes);
}

int engine_restore_checkpoint(const void *bytes, size_t size, uint64_t layout, struct engine *ret)
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
