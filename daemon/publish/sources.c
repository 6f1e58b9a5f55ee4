#include "publish/sources.h"

#include <arpa/inet.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "publish/journal.h"
#include "publish/json.h"

static const char *const band_names[PLAN_BANDS] = { "general", "new", "due" };

const char *sources_group_name(const uint8_t *address, char *buf)
{
	struct in6_addr a;
	char text[INET6_ADDRSTRLEN];

	memcpy(&a, address, sizeof(a));
	if (IN6_IS_ADDR_V4MAPPED(&a)) {
		a.s6_addr[15] = 0;
		inet_ntop(AF_INET, &a.s6_addr[12], text, sizeof(text));
		snprintf(buf, 64, "%s/24", text);
	} else {
		memset(&a.s6_addr[8], 0, 8);
		inet_ntop(AF_INET6, &a, text, sizeof(text));
		snprintf(buf, 64, "%s/64", text);
	}
	return buf;
}

static const char *address_name(const uint8_t *address, char *buf)
{
	struct in6_addr a;

	memcpy(&a, address, sizeof(a));
	if (IN6_IS_ADDR_V4MAPPED(&a))
		inet_ntop(AF_INET, &a.s6_addr[12], buf, INET6_ADDRSTRLEN);
	else
		inet_ntop(AF_INET6, &a, buf, INET6_ADDRSTRLEN);
	return buf;
}

int sources_sort(const char *name)
{
	static const char *const names[] = { "rate", "age", "attempts" };

	for (int i = 0; i < 3; i++)
		if (strcmp(names[i], name) == 0)
			return i;
	return -1;
}

/* ---- JSON ------------------------------------------------------------------------------------------------------- */

static void set_count(json_t *object, const char *key, uint64_t value)
{
	json_object_set_new(object, key, json_integer((json_int_t)value));
}

/* Null where it is not known or does not bind. */
static void set_real(json_t *object, const char *key, double value)
{
	json_object_set_new(object, key,
			    value >= 0 && isfinite(value) ? json_real(value) : json_null());
}

json_t *sources_json(const struct status *s)
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
	set_count(object, "deferred_waiting", x->waiting);
	set_count(object, "oldest_deferral_s", x->oldest_s);
	set_count(object, "evicted", x->evicted);
	set_count(object, "events_lost", s->source_events_lost);
	set_real(object, "active", x->active);
	set_real(object, "fair_rate", x->fair_rate);
	set_real(object, "session_cost_s", x->session_cost_s);
	set_real(object, "offered_per_s", x->offered_per_s);
	set_real(object, "new_per_s", x->new_per_s);
	set_real(object, "due_per_s", x->due_per_s);
	set_real(object, "credits_per_s", x->credits_per_s);
	for (int b = 0; b < PLAN_BANDS; b++)
		set_count(cutoff, band_names[b], x->cutoff[b] >> 22);
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

	json_object_set_new(object, key, json_string(json_time(seconds * 1000000, when)));
}

static json_t *picture_json(const struct status *s, const struct source_picture *p)
{
	const struct source_view *v = &p->view;
	char name[64];
	json_t *object = json_object();

	json_object_set_new(object, "address", json_string(address_name(v->address, name)));
	json_object_set_new(object, "group", json_string(sources_group_name(v->address, name)));
	if (v->pool[0])
		json_object_set_new(object, "pool", json_string(v->pool));
	json_object_set_new(object, "waiting", json_boolean(v->waiting));
	if (v->known) {
		set_time(object, v->waiting ? "waits_since" : "known_since", v->since_s);
		json_object_set_new(object, "regular", json_boolean(v->regular));
		json_object_set_new(object, "proven", json_boolean(v->proven));
		set_count(object, "attempts", v->attempts);
		if (v->gap_s)
			set_count(object, "comes_back_after_s", v->gap_s);
	}
	if (v->waiting) {
		set_count(object, "age_s",
			  s->realtime_us / 1000000 > v->since_s
				  ? s->realtime_us / 1000000 - v->since_s
				  : 0);
		set_time(object, "promised_before", v->due_s);
	}
	json_object_set_new(object, "admitted_in_s",
			    p->admitted_in_s == UINT32_MAX ? json_null()
							   : json_integer(p->admitted_in_s));
	json_object_set_new(object, "band", json_string(band_names[v->source.band % PLAN_BANDS]));
	set_count(object, "rank", v->source.rank >> 6);
	json_object_set_new(object, "heavy",
			    json_string(v->source.heavy == PLAN_HEAVY_LIMIT	? "limit"
					: v->source.heavy == PLAN_HEAVY_UNUSUAL ? "unusual"
										: "no"));
	set_real(object, "rate", v->rate);
	set_real(object, "usual_rate", v->usual);
	set_real(object, "connections_per_min", v->connections_per_min);
	set_count(object, "attempts_total", v->attempts_total);
	set_count(object, "deferred_total", v->deferred_total);
	return object;
}

json_t *sources_list_json(const struct status *s, const struct source_picture *list, unsigned count)
{
	json_t *array = json_array();

	for (unsigned i = 0; i < count; i++)
		json_array_append_new(array, picture_json(s, &list[i]));
	return array;
}

/* ---- words ------------------------------------------------------------------------------------------------------ */

static void say_duration(struct text *out, uint64_t s)
{
	if (s < 120)
		text_append(out, "%llu s", (unsigned long long)s);
	else if (s < 7200)
		text_append(out, "%llu min", (unsigned long long)s / 60);
	else if (s < 2 * 86400)
		text_append(out, "%.1f h", (double)s / 3600);
	else
		text_append(out, "%.1f days", (double)s / 86400);
}

static void explain_wait(const struct status *s, const struct source_view *v, struct text *out)
{
	uint64_t now_s = s->realtime_us / 1000000;
	char when[32];

	if (!v->known) {
		text_append(out, "   it is not known: nothing of it was seen lately\n");
		return;
	}
	if (!v->waiting) {
		text_append(out, "   it does not wait; known since %s%s%s\n",
			    json_time(v->since_s * 1000000, when),
			    v->regular ? ", was admitted before" : "",
			    v->proven ? ", came back properly before" : "");
		return;
	}
	text_append(out, "   deferred since %s (", json_time(v->since_s * 1000000, when));
	say_duration(out, now_s > v->since_s ? now_s - v->since_s : 0);
	text_append(out, "), %u attempt%s counted, the last one at ", v->attempts,
		    v->attempts == 1 ? "" : "s");
	text_append(out, "%s", json_time(v->last_s * 1000000, when));
	if (v->gap_s) {
		text_append(out, ", comes back after ");
		say_duration(out, v->gap_s);
	}
	if (v->patience_s) {
		text_append(out, "; one like it gives up after ");
		say_duration(out, v->patience_s);
	}
	text_append(out, "\n");
}

static void explain_outlook(const struct status *s, const struct source_picture *p,
			    struct text *out)
{
	const struct source_view *v = &p->view;
	char when[32];

	text_append(out, "   rank %u of %u, band %s, cut-off %u; ", v->source.rank >> 6,
		    SOURCE_BINS - 1, band_names[v->source.band % PLAN_BANDS],
		    s->plan.service[0].cutoff[v->source.band % PLAN_BANDS] >> 22);
	if (p->admitted_in_s == 0) {
		text_append(out, "its rank passes now");
	} else if (p->admitted_in_s == UINT32_MAX) {
		text_append(out, "as things are it does not get in within a week");
	} else {
		text_append(out, "as things are it gets in with a retry in ");
		say_duration(out, p->admitted_in_s);
	}
	if (v->waiting)
		text_append(out, "; promised before %s and by its attempt %u%s",
			    json_time(v->due_s * 1000000, when), s->config->longest_attempts,
			    s->sources.infeasible ? ", WHICH CANNOT BE KEPT NOW: more is due than "
						    "there is capacity for"
						  : "");
	text_append(out, "\n");
}

void sources_explain(const struct status *s, const struct source_picture *p, struct text *out)
{
	const struct source_view *v = &p->view;
	char name[64];

	text_append(out, "   it counts as %s%s%s\n",
		    v->pool[0] ? "pool " : sources_group_name(v->address, name),
		    v->pool[0] ? v->pool : "",
		    v->pool[0] ? ", one source with all its networks" : "");
	explain_wait(s, v, out);
	text_append(out, "   takes %.3g s of service a second", v->rate);
	if (v->usual > 0)
		text_append(out, ", usually %.3g", v->usual);
	if (s->sources.fair_rate >= 0)
		text_append(out, ", the fair rate is %.3g", s->sources.fair_rate);
	text_append(out, "; %.0f connection%s a minute from this address", v->connections_per_min,
		    lround(v->connections_per_min) == 1 ? "" : "s");
	if (v->source.heavy)
		text_append(out, "; %s",
			    v->source.heavy == PLAN_HEAVY_LIMIT
				    ? "that is over source.rate_max"
				    : "that is unusual for it, and over the fair rate");
	text_append(out, "\n");
	explain_outlook(s, p, out);
}

/* ---- journal ---------------------------------------------------------------------------------------------------- */

void sources_journal(const struct source_stats *before, const struct source_stats *now)
{
	char fields[160];

	if (before->infeasible == now->infeasible && before->day == now->day)
		return;
	snprintf(fields, sizeof(fields),
		 "PENSTOCK_OLDEST_DEFERRAL_S=%llu\nPENSTOCK_WAITING=%llu\nPENSTOCK_BROKEN=%llu",
		 (unsigned long long)now->oldest_s, (unsigned long long)now->waiting,
		 (unsigned long long)now->broken);
	if (!before->infeasible && now->infeasible)
		log_event(
			LOG_LEVEL_ERROR, JOURNAL_INFEASIBLE_ID, fields,
			"bound infeasible: more sources are due by objective.longest_deferral and longest_attempts than there is capacity for; "
			"%llu wait, the longest for %llu min; take load off, add capacity, or raise the objective",
			(unsigned long long)now->waiting, (unsigned long long)now->oldest_s / 60);
	else if (before->infeasible && !now->infeasible)
		log_event(LOG_LEVEL_NOTICE, JOURNAL_INFEASIBLE_ID, fields,
			  "bound feasible again: who is due is admitted");
	if (!before->day && now->day)
		log_event(
			LOG_LEVEL_ERROR, JOURNAL_DAY_ID, fields,
			"a source has waited for 24 h: senders begin to give mail up; see penstockctl sources --sort age");
}
