/* The history as JSON. */
#include <math.h>

#include "publish/headline.h"
#include "publish/history_tell.h"
#include "publish/words.h"

static void set(json_t *object, const char *key, float value)
{
	json_object_set_new(object, key,
			    value < 0 ? json_null()
				      : json_real(round((double)value * 1000) / 1000));
}

static json_t *services_json(const struct history_record *r)
{
	json_t *services = json_object();

	for (int i = 0; i < HISTORY_SERVICES; i++) {
		const struct history_service *s = &r->service[i];
		json_t *one;

		if (!s->name[0])
			continue;
		one = json_pack("{s:I, s:I, s:I}", "offered", (json_int_t)s->offered, "admitted",
				(json_int_t)s->admitted, "deferred", (json_int_t)s->deferred);
		set(one, "window", s->window);
		set(one, "in_flight", s->in_flight);
		set(one, "server_time_s", s->server_time_s);
		json_object_set_new(services, s->name, one);
	}
	return services;
}

static json_t *record_json(const struct history_record *r, bool privileged)
{
	json_t *one = json_object(), *pressure = json_object(), *reasons = json_object();
	char at[32];

	json_object_set_new(one, "at", json_string(words_time(r->at_s * 1000000, at)));
	json_object_set_new(one, "at_s", json_integer((json_int_t)r->at_s));
	json_object_set_new(one, "seconds", json_integer(r->seconds));
	json_object_set_new(one, "headline",
			    json_string(headline_name((enum headline_kind)r->headline)));
	json_object_set_new(one, "mode",
			    json_string(r->mode == PLAN_OBSERVE ? "observe" : "enforce"));
	json_object_set_new(one, "level", json_integer(r->level));
	json_object_set_new(one, "offered", json_integer(r->offered));
	json_object_set_new(one, "admitted", json_integer(r->admitted));
	json_object_set_new(one, "deferred", json_integer(r->deferred));
	json_object_set_new(one, "would_defer", json_integer(r->would_defer));
	set(one, "held", r->held);
	json_object_set_new(one, "held_admitted", json_integer(r->held_admitted));
	json_object_set_new(one, "held_in_vain", json_integer(r->held_in_vain));
	json_object_set_new(one, "held_left", json_integer(r->held_left));
	set(one, "held_s", r->held_s);
	json_object_set_new(one, "sources_deferred", json_integer(r->sources_deferred));
	/* Also under the name of the previous release, which the next one removes. */
	json_object_set(one, "waiting", json_object_get(one, "sources_deferred"));
	json_object_set_new(one, "deferred_sources",
			    json_integer(lround(distinct_count(&r->sources))));
	for (int i = 0; i < REASON__COUNT; i++)
		if (r->by_reason[i])
			json_object_set_new(reasons, reason_name((enum reason)i),
					    json_integer(r->by_reason[i]));
	json_object_set_new(one, "by_reason", reasons);
	for (int i = 0; i < RESOURCE__COUNT; i++)
		set(pressure, resource_name((enum resource)i), r->pressure[i]);
	json_object_set_new(one, "pressure", pressure);
	set(one, "demand", r->demand);
	json_object_set_new(one, "driver", r->driver[0] ? json_string(r->driver) : json_null());
	json_object_set_new(one, "signal", r->signal[0] ? json_string(r->signal) : json_null());
	set(one, "driver_pressure", r->driver_pressure);
	set(one, "driver_value", r->driver_value);
	set(one, "window", r->window);
	set(one, "in_flight", r->in_flight);
	set(one, "server_time_s", r->server_time_s);
	set(one, "connect_220_s", r->connect_220_s);
	json_object_set_new(one, "services", services_json(r));
	json_object_set_new(one, "started", json_boolean(r->flags & HISTORY_STARTED));
	json_object_set_new(one, "reloaded", json_boolean(r->flags & HISTORY_RELOADED));
	if (privileged)
		json_object_set_new(one, "neighbour",
				    r->unit[0] ? json_string(r->unit) : json_null());
	return one;
}

json_t *history_json(const struct history_record *records, size_t count, bool privileged)
{
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(list, record_json(&records[i], privileged));
	return json_pack("{s:i, s:o}", "period_s", count ? (int)records[0].period_s : 1, "records",
			 list);
}
