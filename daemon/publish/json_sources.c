#include "publish/json_sources.h"

#include <arpa/inet.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "publish/words.h"

int json_source_sort(const char *name)
{
	static const char *const names[] = { "rate", "age", "attempts" };

	for (int i = 0; i < 3; i++)
		if (strcmp(names[i], name) == 0)
			return i;
	return -1;
}

/* ---- JSON ----------------------------------------------------------------------------------- */

static void set_count(json_t *object, const char *key, uint64_t value)
{
	json_object_set_new(object, key, json_integer((json_int_t)value));
}

/* Null if it is not known or there is no bound. */
static void set_real(json_t *object, const char *key, double value)
{
	json_object_set_new(object, key,
			    value >= 0 && isfinite(value) ? json_real(value) : json_null());
}

json_t *json_sources(const struct status *s)
{
	const struct source_stats *x = &s->sources;
	json_t *object, *cutoff;

	if (!s->sources_known)
		return json_pack("{s:b, s:s}", "known", 0, "reason", "no memory for the table");
	object = json_object();
	cutoff = json_object();
	json_object_set_new(object, "known", json_true());
	set_count(object, "tracked", x->tracked);
	set_count(object, "room", x->capacity);
	set_count(object, "deferred_waiting", x->deferred);
	set_count(object, "oldest_deferral_s", x->oldest_s);
	set_count(object, "evicted", x->evicted);
	set_count(object, "events_lost", s->source_events_lost);
	set_real(object, "active", x->active);
	set_real(object, "fair_rate", x->fair_rate);
	set_real(object, "session_cost_s", x->session_cost_s);
	set_real(object, "offered_per_s", x->offered_per_s);
	set_real(object, "new_per_s", x->new_per_s);
	set_real(object, "due_per_s", x->promised_per_s);
	set_real(object, "credits_per_s", x->credits_per_s);
	for (int b = 0; b < PLAN_BANDS; b++)
		set_count(cutoff, words_band(b), x->cutoff[b] >> PLAN_SCORE_SHIFT);
	/* Also under the name of the previous release, which the next one removes. */
	json_object_set(cutoff, "due", json_object_get(cutoff, words_band(PLAN_BAND_PROMISED)));
	json_object_set_new(object, "cutoff", cutoff);
	set_count(object, "promised", x->promised);
	set_count(object, "broken", x->broken);
	json_object_set_new(object, "bound_infeasible", json_boolean(x->infeasible));
	json_object_set_new(object, "waited_a_day", json_boolean(x->day));
	json_object_set_new(object, "ledger",
			    s->ledger_error ? json_pack("{s:b, s:s}", "kept", 0, "reason",
							strerror(s->ledger_error))
					    : json_pack("{s:b}", "kept", 1));
	return object;
}

static void set_time(json_t *object, const char *key, uint64_t seconds)
{
	char when[32];

	json_object_set_new(object, key, json_string(words_time(seconds * 1000000, when)));
}

static json_t *snapshot_json(const struct status *s, const struct source_snapshot *p)
{
	const struct source_view *v = &p->view;
	char name[64];
	json_t *object = json_object();

	json_object_set_new(object, "address", json_string(words_address(v->address, name)));
	json_object_set_new(object, "group", json_string(words_group(v->address, name)));
	if (v->pool[0])
		json_object_set_new(object, "pool", json_string(v->pool));
	json_object_set_new(object, "deferred", json_boolean(v->deferred));
	/* Also under the name of the previous release, which the next one removes. */
	json_object_set(object, "waiting", json_object_get(object, "deferred"));
	if (v->known) {
		set_time(object, v->deferred ? "waits_since" : "known_since", v->since_s);
		json_object_set_new(object, "regular", json_boolean(v->regular));
		json_object_set_new(object, "proven", json_boolean(v->proven));
		set_count(object, "attempts", v->attempts);
		if (v->gap_s)
			set_count(object, "comes_back_after_s", v->gap_s);
	}
	if (v->deferred) {
		set_count(object, "age_s",
			  s->realtime_us / 1000000 > v->since_s
				  ? s->realtime_us / 1000000 - v->since_s
				  : 0);
		set_time(object, "promised_before", v->promised_before_s);
	}
	json_object_set_new(object, "admitted_in_s",
			    p->admitted_in_s == UINT32_MAX ? json_null()
							   : json_integer(p->admitted_in_s));
	json_object_set_new(object, "band", json_string(words_band(v->source.band)));
	set_count(object, "rank", v->source.rank >> PLAN_RANK_SHIFT);
	json_object_set_new(object, "heavy",
			    json_string(v->source.heavy == PLAN_HEAVY_LIMIT   ? "limit"
					: v->source.heavy == PLAN_HEAVY_SHARE ? "unusual"
									      : "no"));
	set_real(object, "rate", v->rate);
	set_real(object, "usual_rate", v->usual);
	set_real(object, "connections_per_min", v->connections_per_min);
	set_count(object, "attempts_total", v->attempts_total);
	set_count(object, "deferred_total", v->deferred_total);
	return object;
}

json_t *json_source_list(const struct status *s, const struct source_snapshot *list, unsigned count)
{
	json_t *array = json_array();

	for (unsigned i = 0; i < count; i++)
		json_array_append_new(array, snapshot_json(s, &list[i]));
	return array;
}
