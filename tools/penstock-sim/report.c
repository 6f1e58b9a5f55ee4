#include "penstock-sim/report.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "penstock-sim/attempts.h"
#include "penstock-sim/fluid.h"
#include "penstock-sim/grow.h"
#include "penstock-sim/oracle.h"

#define AFTER_S 1800
#define STEADY_S 10 /* recovery is judged over this time */
#define RECOVERED 0.98
#define AROUND_TICKS 100 /* distance from a tick in which the clairvoyant refuses: the objective */
#define JAIN_MIN 10 /* messages of a sender, at least, to be compared */

/* Good messages in [from, to), as a share of the capacity, or (with `or_offered`) of the arrivals
 * if these were less. */
static double goodput(const struct measure *m, double from_s, double to_s, bool or_offered)
{
	double good = 0, could = 0;
	uint32_t first = (uint32_t)(RUN_BEGIN_US / 1000000 + from_s),
		 last = (uint32_t)(RUN_BEGIN_US / 1000000 + to_s);

	for (uint32_t s = first; s < last && s + m->lag_s + 1 < m->seconds; s++) {
		good += m->second[s + m->lag_s].good;
		could += or_offered ? fmin(m->capacity[s], m->second[s].offered) : m->capacity[s];
	}
	return could > 0 ? good / could : -1;
}

/* Whether the mean over ten seconds, relative to the arrivals or to the capacity, is high
 * enough. */
static bool is_steady(const struct measure *m, double at_s)
{
	double good = 0, offered = 0, capacity = 0;
	uint32_t first = (uint32_t)(RUN_BEGIN_US / 1000000 + at_s);

	for (uint32_t s = first; s < first + STEADY_S; s++) {
		good += m->second[s + m->lag_s].good;
		offered += m->second[s].offered;
		capacity += m->capacity[s];
	}
	return good >= RECOVERED * fmin(offered, capacity);
}

static double recovery(const struct measure *m, double end_s)
{
	if (m->to_s <= 0)
		return -1;
	for (double at = m->to_s; at + STEADY_S + m->lag_s + 1 < end_s; at++)
		if (is_steady(m, at))
			return at - m->to_s;
	return -1;
}

/* Jain's index of the served share over the senders of the first group, which are alike. */
static double jain(const struct senders *s)
{
	double sum = 0, squares = 0, n = 0;

	for (uint32_t i = 0; s->groups && i < (uint32_t)s->group[0].count; i++) {
		const struct sender *sender = &s->sender[i];
		double x;

		if (sender->sent < JAIN_MIN)
			continue;
		x = (double)sender->served / sender->sent;
		sum += x;
		squares += x * x;
		n++;
	}
	return n >= 2 && squares > 0 ? sum * sum / (n * squares) : -1;
}

static void bounds(struct run *r, struct report *ret)
{
	const struct measure *m = &r->measure;
	struct oracle_class classes[RETRY__COUNT];
	uint32_t *all = grow_zeroed(m->seconds, sizeof(*all));
	uint32_t until = (uint32_t)(r->now_us / 1000000);
	unsigned count = 0;
	struct fluid fluid;

	for (int i = 0; i < RETRY__COUNT; i++) {
		if (!retry_bounces((enum retry)i))
			continue;
		classes[count++] =
			(struct oracle_class){ m->arrived[i], retry_patience_s((enum retry)i) };
		for (uint32_t s = 0; s < m->seconds; s++)
			all[s] += m->arrived[i][s];
	}
	if (until > m->seconds)
		until = m->seconds;
	ret->bounces_oracle = (double)oracle_lost(classes, count, m->capacity, until);
	fluid_bound(all, m->capacity, until, &fluid);
	ret->deferral_bound_s = fluid.drain_s;
	free(all);
}

/* Messages that were refused (or lost, or still wait in front) beyond those that a clairvoyant must
 * refuse; and those refused at times at which it refuses none. */
static void regret(const struct run *r, struct report *ret)
{
	const struct measure *m = &r->measure;
	uint32_t ticks = (uint32_t)fmin((double)m->ticks, m->futures);
	uint32_t *forced = grow_zeroed(ticks, sizeof(*forced)), next = 0;
	struct counts_service sum;
	double offered, carried, needless = 0;
	double most = (double)clairvoyant_refused(m->future, ticks, forced);
	/* The tick before this one in which it refuses a connection, plus one; 0: none. */
	uint32_t last = 0;

	run_counts(r, &sum);
	/* In a fleet an attempt may be several connections. */
	offered = fmax(1, (double)(run_is_fleet(r) ? m->walks : sum.offered));
	carried = (double)sum.completed;
	for (unsigned i = 0; i < r->hosts; i++)
		carried += r->host[i].plant.in_flight + r->host[i].under_way;
	for (uint32_t i = 0; i < ticks; i++) {
		if (forced[i])
			last = i + 1;
		for (next = next > i ? next : i; next < ticks && !forced[next];)
			next++;
		if ((!last || i + 1 - last > AROUND_TICKS) &&
		    (next == ticks || next - i > AROUND_TICKS))
			needless += m->refused[i];
	}
	ret->regret = 100 * fmax(0, offered - carried - most) / offered;
	ret->needless_ratio = needless / offered;
	free(forced);
}

/* The quantile of what happened during the overload. */
static double quantile_ms(const uint64_t *after, const uint64_t *before, double q)
{
	double us = counts_quantile(after, before, q);

	return us < 0 ? -1 : us / 1e3;
}

static void make(struct run *r, struct report *ret)
{
	struct measure *m = &r->measure;
	struct counts_service sum, *c = &sum;

	run_counts(r, &sum);
	memset(ret, 0, sizeof(*ret));
	ret->goodput_ratio = m->to_s > 0 ? goodput(m, m->from_s, m->to_s, false) : -1;
	ret->goodput_after_ratio =
		m->to_s > 0 ? goodput(m, m->to_s, fmin(m->to_s + AFTER_S, run_time_s(r) - 2), true)
			    : -1;
	ret->recovery_s = recovery(m, run_time_s(r));
	ret->max_in_flight = m->in_flight_max;
	ret->rejects_per_arrival = c->offered ? (double)c->deferred / (double)c->offered : 0;
	ret->bounces = (double)m->bounces;
	ret->lost = (double)m->lost;
	ret->deferral_p50_s = measure_age_quantile(m, .5);
	ret->deferral_p999_s = measure_age_quantile(m, .999);
	ret->deferral_most_s = measure_age_quantile(m, 1);
	ret->banner_p99_ms = quantile_ms(m->banner_after, m->banner_before, .99);
	ret->told_p50_ms = quantile_ms(m->told_after, m->told_before, .5);
	ret->told_p99_ms = quantile_ms(m->told_after, m->told_before, .99);
	ret->jain = jain(&r->senders);
	for (unsigned h = 0; h < r->hosts; h++)
		for (int i = 0; i < LEVEL__COUNT; i++)
			ret->level_changes += (double)r->host[h].law.engine.view.level.changes[i];
	ret->third_attempt_ratio = -1;
	if (m->by_third + m->past_third)
		ret->third_attempt_ratio =
			(double)m->by_third / (double)(m->by_third + m->past_third);
	ret->oldest_waiting_s = -1;
	if (senders_oldest_us(&r->senders))
		ret->oldest_waiting_s = (double)(r->now_us - senders_oldest_us(&r->senders)) / 1e6;
	bounds(r, ret);
	regret(r, ret);
}

#define FIELD(name) \
	{ \
#name, offsetof(struct report, name) \
	}
static const struct {
	const char *name;
	size_t offset;
} fields[] = { FIELD(goodput_ratio),	   FIELD(goodput_after_ratio),
	       FIELD(recovery_s),	   FIELD(regret),
	       FIELD(needless_ratio),	   FIELD(max_in_flight),
	       FIELD(rejects_per_arrival), FIELD(bounces),
	       FIELD(bounces_oracle),	   FIELD(deferral_p50_s),
	       FIELD(deferral_p999_s),	   FIELD(deferral_bound_s),
	       FIELD(banner_p99_ms),	   FIELD(told_p50_ms),
	       FIELD(told_p99_ms),	   FIELD(jain),
	       FIELD(level_changes),	   FIELD(lost),
	       FIELD(deferral_most_s),	   FIELD(oldest_waiting_s),
	       FIELD(third_attempt_ratio) };

static double field(const struct report *report, size_t i)
{
	return *(const double *)(const void *)((const char *)report + fields[i].offset);
}

int report_value(struct run *r, const char *name, double *ret)
{
	struct report report;

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (strcmp(fields[i].name, name) == 0) {
			make(r, &report);
			*ret = field(&report, i);
			return 0;
		}
	return -ENOENT;
}

/* The best result of a decider that knows all timetables. It is slow, so it is only for people, and
 * never used by an expectation. */
static double deferral_oracle(const struct run *r)
{
	const struct measure *m = &r->measure;
	struct attempts_class classes[RETRY__COUNT];
	uint32_t until = (uint32_t)(r->now_us / 1000000);
	unsigned count = 0;

	for (int i = 0; i < RETRY__COUNT; i++)
		if (retry_bounces((enum retry)i))
			classes[count++] = (struct attempts_class){ m->arrived[i], (enum retry)i };
	return attempts_age(classes, count, m->capacity, until < m->seconds ? until : m->seconds,
			    .999);
}

/* Unknown values are null in JSON, and -1 inside the program. */
static json_t *number(double value)
{
	if (value < 0)
		return json_null();
	return value == floor(value) && value < 1e15 ? json_integer((json_int_t)value)
						     : json_real(value);
}

/* The reason and the source, as far as they are known. */
static void print_reasons(json_t *json, const struct run *r, const struct counts_service *c)
{
	json_t *reasons = json_object(), *givers = json_object();

	for (int i = 0; i < REASON__COUNT; i++)
		if (c->deferred_by[i])
			json_object_set_new(reasons, reason_name((enum reason)i),
					    json_integer((json_int_t)c->deferred_by[i]));
	for (int i = 0; i < RETRY__COUNT; i++)
		if (r->measure.bounces_by[i])
			json_object_set_new(givers, retry_name((enum retry)i),
					    json_integer((json_int_t)r->measure.bounces_by[i]));
	json_object_set_new(json, "deferred_by", reasons);
	json_object_set_new(json, "bounces_by", givers);
}

/* The messages between the hosts of a fleet, and their cost. */
static void print_fleet(json_t *json, const struct run *r)
{
	uint64_t messages = 0, records = 0, tracked = 0, left_out = 0;
	double most = 0;

	for (unsigned i = 0; i < r->hosts; i++) {
		const struct host *h = &r->host[i];

		messages += h->messages;
		records += h->records;
		tracked = h->memory.tracked > tracked ? h->memory.tracked : tracked;
		left_out += h->memory.left_out;
		most = fmax(most, (double)h->memory.forgotten);
	}
	json_object_set_new(json, "fleet",
			    json_pack("{si, sI, sI, sI, sI, sI, sI}", "hosts", (int)r->hosts,
				      "attempts", (json_int_t)r->measure.walks, "messages",
				      (json_int_t)messages, "records", (json_int_t)records,
				      "tracked_most", (json_int_t)tracked, "forgotten_most",
				      (json_int_t)most, "left_out", (json_int_t)left_out));
}

void report_print(FILE *out, struct run *r)
{
	struct report report;
	struct counts_service sum, *c = &sum;
	uint64_t dropped = 0, oom_kills = 0;
	json_t *json = json_object();

	run_counts(r, &sum);
	for (unsigned i = 0; i < r->hosts; i++) {
		dropped += r->host[i].plant.dropped;
		oom_kills += r->host[i].plant.oom_kills;
	}
	make(r, &report);
	json_object_set_new(json, "law", json_string(law_name(r->host[0].law.kind)));
	json_object_set_new(json, "seed", json_integer((json_int_t)r->seed));
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		json_object_set_new(json, fields[i].name, number(field(&report, i)));
	json_object_set_new(json, "deferral_oracle_s", number(deferral_oracle(r)));
	json_object_set_new(json, "mail", json_integer((json_int_t)r->measure.mail));
	json_object_set_new(json, "mail_delivered",
			    json_integer((json_int_t)r->measure.mail_delivered));
	json_object_set_new(json, "mail_waiting", json_integer(r->senders.waiting));
	json_object_set_new(json, "offered", json_integer((json_int_t)c->offered));
	json_object_set_new(json, "admitted", json_integer((json_int_t)c->admitted));
	json_object_set_new(json, "deferred", json_integer((json_int_t)c->deferred));
	json_object_set_new(json, "completed", json_integer((json_int_t)c->completed));
	json_object_set_new(json, "dropped", json_integer((json_int_t)dropped));
	json_object_set_new(json, "oom_kills", json_integer((json_int_t)oom_kills));
	print_reasons(json, r, c);
	if (run_is_fleet(r))
		print_fleet(json, r);
	json_object_set_new(json, "unmet", json_integer(r->failed));
	json_dumpf(json, out, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
	json_decref(json);
}

void report_say(FILE *out, struct run *run)
{
	struct report r;

	make(run, &r);
	fprintf(out, "seed %llu:", (unsigned long long)run->seed);
	if (r.goodput_ratio >= 0)
		fprintf(out, " goodput %.0f %% of capacity in the overload,",
			r.goodput_ratio * 100);
	if (r.goodput_after_ratio >= 0)
		fprintf(out, " %.0f %% after it,", r.goodput_after_ratio * 100);
	fprintf(out, " %.2f %% refused that a clairvoyant would not have,", r.regret);
	if (r.recovery_s >= 0)
		fprintf(out, " steady again %.0f s after its end,", r.recovery_s);
	if (r.banner_p99_ms >= 0)
		fprintf(out, " greeted within %.0f ms (p99),", r.banner_p99_ms);
	fprintf(out,
		" at most %.0f in flight, %.2f refusals an arrival, %.0f bounces, %.0f level changes",
		r.max_in_flight, fmax(0, r.rejects_per_arrival), fmax(0, r.bounces),
		r.level_changes);
	if (run->failed)
		fprintf(out, "; %u expectations not met, see above", run->failed);
	fputc('\n', out);
}
