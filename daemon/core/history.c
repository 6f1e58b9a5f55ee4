#include "core/history.h"

#include <math.h>
#include <string.h>

unsigned history_period(enum history_tier tier)
{
	static const unsigned periods[HISTORY__TIERS] = { 1, 10, 60 };

	return periods[tier];
}

unsigned history_slots(enum history_tier tier)
{
	static const unsigned slots[HISTORY__TIERS] = { HISTORY_HOUR, HISTORY_DAY, HISTORY_MONTH };

	return slots[tier];
}

unsigned history_slot(enum history_tier tier, uint64_t at_s)
{
	return (unsigned)(at_s / history_period(tier) % history_slots(tier));
}

bool history_stands_for(const struct history_record *r, enum history_tier tier, uint64_t at_s)
{
	return r->at_s == at_s && r->period_s == history_period(tier) && r->seconds > 0;
}

static void add(uint32_t *sum, uint32_t more)
{
	*sum = more > UINT32_MAX - *sum ? UINT32_MAX : *sum + more;
}

static void fold_service(struct history_service *into, const struct history_service *s)
{
	/* The configuration changed: the later service counts. */
	if (memcmp(into->name, s->name, sizeof(s->name)) != 0) {
		*into = *s;
		return;
	}
	add(&into->offered, s->offered);
	add(&into->admitted, s->admitted);
	add(&into->deferred, s->deferred);
	into->window = s->window;
	into->in_flight = fmaxf(into->in_flight, s->in_flight);
	into->server_time_s = fmaxf(into->server_time_s, s->server_time_s);
}

void history_fold(struct history_record *into, const struct history_record *r)
{
	if (into->seconds == 0) {
		uint64_t at_s = into->at_s;
		uint32_t period_s = into->period_s;

		*into = *r;
		into->at_s = at_s;
		into->period_s = period_s;
		return;
	}
	add(&into->seconds, r->seconds);
	if (r->level > into->level)
		into->level = r->level;
	if (r->headline < into->headline)
		into->headline = r->headline;
	into->state = r->state;
	into->mode = r->mode;
	into->flags |= r->flags;
	for (int i = 0; i < RESOURCE__COUNT; i++)
		into->pressure[i] = fmaxf(into->pressure[i], r->pressure[i]);
	into->demand = fmaxf(into->demand, r->demand);
	into->window = r->window;
	into->in_flight = fmaxf(into->in_flight, r->in_flight);
	into->server_time_s = fmaxf(into->server_time_s, r->server_time_s);
	into->connect_220_s = fmaxf(into->connect_220_s, r->connect_220_s);
	if (r->driver_pressure > into->driver_pressure) {
		into->driver_pressure = r->driver_pressure;
		into->driver_value = r->driver_value;
		memcpy(into->driver, r->driver, sizeof(into->driver));
		memcpy(into->signal, r->signal, sizeof(into->signal));
	}
	if (r->unit[0])
		memcpy(into->unit, r->unit, sizeof(into->unit));
	add(&into->offered, r->offered);
	add(&into->admitted, r->admitted);
	add(&into->deferred, r->deferred);
	add(&into->would_defer, r->would_defer);
	if (r->sources_deferred > into->sources_deferred)
		into->sources_deferred = r->sources_deferred;
	for (int i = 0; i < REASON__COUNT; i++)
		add(&into->by_reason[i], r->by_reason[i]);
	for (int i = 0; i < HISTORY_SERVICES; i++)
		fold_service(&into->service[i], &r->service[i]);
	distinct_join(&into->sources, &r->sources);
	into->held = fmaxf(into->held, r->held);
	add(&into->held_admitted, r->held_admitted);
	add(&into->held_in_vain, r->held_in_vain);
	add(&into->held_left, r->held_left);
	into->held_s += r->held_s;
}

uint64_t history_connections(uint32_t offered, uint32_t admitted, uint32_t deferred, uint32_t late)
{
	uint64_t again = late < admitted ? late : admitted;
	uint64_t answered = (uint64_t)admitted + deferred - (again < deferred ? again : deferred);

	return answered > offered ? answered : offered;
}

uint64_t history_all(const struct history_record *r)
{
	return history_connections(r->offered, r->admitted, r->deferred, r->by_reason[REASON_LATE]);
}

uint64_t history_waits(const struct history_record *r)
{
	return (uint64_t)r->held_admitted + r->held_in_vain + r->held_left;
}

enum history_tier history_tier_for(uint64_t now_s, uint64_t since_s)
{
	for (int t = 0; t < HISTORY__TIERS; t++)
		if (since_s + (uint64_t)history_period((enum history_tier)t) *
				      history_slots((enum history_tier)t) >=
		    now_s)
			return (enum history_tier)t;
	return HISTORY_MINUTES;
}
