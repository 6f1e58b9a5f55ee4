#include "publish/explain.h"

#include <arpa/inet.h>
#include <math.h>
#include <string.h>

#include "base/address.h"
#include "base/array.h"
#include "base/clock.h"
#include "base/duration.h"
#include "publish/faults.h"
#include "publish/explain_sources.h"
#include "publish/explain_terms.h"
#include "publish/explain_verdict.h"
#include "publish/filters.h"
#include "publish/neighbour_words.h"
#include "publish/words.h"

/* Whatever the law decides: what stands before the mail server does not run. */
static void explain_fronts(const struct status *s, struct text *out)
{
	struct status_front f;

	for (unsigned i = 0; i < status_front_named(s, i, &f); i++)
		if (!f.up)
			text_append(out, "!! front %s is down: %s.\n", f.name, f.why);
}

static void explain_signals(const struct status *s, struct text *out)
{
	const struct pressure *p = &s->view.pressure;

	text_append(out, "1. Each signal and its target (pressure = signal / target)\n");
	for (int r = 0; r < RESOURCE__COUNT; r++) {
		text_append(out, "   %-6s ", resource_name((enum resource)r));
		if (!p->known[r]) {
			text_append(out, "not known: no sensor gives a signal of it\n");
			continue;
		}
		text_append(out, "pressure %.2f\n", p->resource[r]);
		for (int i = 0; i < SIGNAL__COUNT; i++) {
			double lately = words_shown((enum signal)i, p->signal[i] * p->target[i]);
			double value = words_shown((enum signal)i, s->sample.value[i]);

			if (signal_info[i].resource != (enum resource)r || p->signal[i] <= 0 ||
			    !sample_has(&s->sample, (enum signal)i))
				continue;
			text_append(out, "     %c %-22s ",
				    p->resource_driver[r] == (enum signal)i ? '>' : ' ',
				    signal_info[i].name);
			words_signal(out, (enum signal)i, value);
			/* Pressure is computed from the smoothed value. Show that value if it
			 * differs from the last one. */
			if (fabs(lately - value) > 0.1 * p->target[i]) {
				text_append(out, ", smoothed ");
				words_signal(out, (enum signal)i, lately);
			}
			text_append(out, "  (target ");
			words_value(out, signal_info[i].unit, p->target[i]);
			text_append(out, ", via %s, pressure %.2f)\n",
				    via_name((enum via)s->sample.via[i]), p->signal[i]);
		}
	}
}

static void explain_pressure(const struct status *s, struct text *out)
{
	const struct pressure *p = &s->view.pressure;
	char when[32];

	text_append(out, "2. Together: pressure %.2f", p->combined);
	if (p->driver < RESOURCE__COUNT && p->driver_signal < SIGNAL__COUNT)
		text_append(out, ", driven by %s (%s)", resource_name(p->driver),
			    signal_info[p->driver_signal].name);
	if (s->view.foreign)
		text_append(out, ", a neighbour's: refusing mail would not lower it");
	if (s->view.demand_ratio >= 0)
		text_append(out, "; demand %.2f (offered / what can be carried)",
			    s->view.demand_ratio);
	text_append(out, "\n");
	text_append(
		out, "3. Level %s since %s, state %s, mode %s\n", level_name(s->view.level.number),
		words_time(s->level_since_realtime_us, when), engine_state_name(s->view.state),
		s->view.mode == PLAN_OBSERVE ? "observe (nothing is refused for load)" : "enforce");
}

static void explain_neighbours(const struct status *s, struct text *out)
{
	const struct neighbour *who = neighbour_who(&s->view, &s->neighbours);
	enum resource r = s->view.pressure.driver;
	bool more;

	if (who) {
		text_append(out, "   caused by: ");
		neighbour_describe(r, who, out);
		text_append(out, "\n   what helps: ");
		neighbour_advise(r, who, &s->neighbours, out);
		text_append(out, "\n");
	}
	if (!who && (who = neighbour_starves(&s->view, &s->sample, &s->neighbours, &more))) {
		text_append(out, "   of the CPU time, ");
		neighbour_compare(&s->sample, who, out);
		text_append(out, "\n");
		if (more) {
			text_append(out, "   what helps: ");
			neighbour_advise(RESOURCE_CPU, who, &s->neighbours, out);
			text_append(out, "\n");
		}
	} else if (!who && s->view.foreign) {
		text_append(out, "   ");
		neighbour_search(r, out);
		text_append(out, "\n");
	}
	if (s->neighbours.leak.known) {
		text_append(out, "   memory grows without end: ");
		neighbour_describe_leak(&s->neighbours.leak, out);
		text_append(out, "\n");
	}
	for (unsigned i = 0; i < s->filters.count; i++) {
		text_append(out, "   the filter: ");
		filters_describe(&s->filters.each[i], out);
		text_append(out, "\n");
	}
}

/* Which resources run out, and when. */
static void explain_exhaustion(const struct status *s, struct text *out)
{
	static const struct {
		enum signal signal;
		const char *what;
	} rows[] = { { SIGNAL_MEM_EXHAUSTION_S, "memory" },
		     { SIGNAL_SPOOL_EXHAUSTION_S, "spool space" },
		     { SIGNAL_SPOOL_INODES_EXHAUSTION_S, "spool inodes" } };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (!sample_has(&s->sample, rows[i].signal))
			continue;
		text_append(out, "   at its present trend no %s is left in ", rows[i].what);
		words_value(out, UNIT_S, s->sample.value[rows[i].signal]);
		text_append(out, "\n");
	}
}

static void explain_sessions(const struct status *s, unsigned i, struct text *out)
{
	const struct window_view *w = &s->view.window[i];
	const struct load_service *l = &s->load.service[i];
	char longest[DURATION_PRINTED];

	text_append(out, "window %.0f sessions by the %s law", words_window(w->window),
		    window_law_name(w->law));
	if (w->hard >= 0)
		text_append(out, ", never above %.0f%s", words_window(w->hard),
			    w->hard_binds ? " (binds)" : "");
	if (l->known & LOAD_IN_FLIGHT)
		text_append(out, "; in flight %.0f", l->in_flight);
	if (l->known & LOAD_BUSY)
		text_append(out, ", busy %.0f", l->busy);
	if (l->stuck > 0)
		text_append(
			out,
			", stuck %.0f (owed an answer for very long, or overtaken by others: no load)",
			l->stuck);
	if (l->known & LOAD_UNGREETED)
		text_append(out, ", waiting for a greeting %.0f", l->ungreeted);
	if (l->known & LOAD_HELD && (l->held > 0 || s->plan.service[i].hold_us))
		text_append(out, ", waiting for a place %.0f (the first for %s)", l->held,
			    duration_print(l->held_longest_s, longest));
	text_append(out, "\n");
}

static void explain_rates(const struct window_view *w, struct text *out)
{
	text_append(out, "   offered %.1f/s, admitted %.1f/s", w->offered_per_s, w->admitted_per_s);
	if (w->law == LAW_CAPACITY) {
		text_append(out, ", completed %.1f/s", w->completed_per_s);
		if (w->capacity_per_s >= 0)
			text_append(out, ", capacity %.1f/s", w->capacity_per_s);
		if (w->server_time_s >= 0) {
			text_append(out, ", server time ");
			words_signal(out, SIGNAL_SERVER_TIME_US, w->server_time_s * US_PER_S);
			text_append(out, " (wanted ");
			words_value(out, UNIT_US, w->target_time_s * US_PER_S);
			text_append(out, ")");
		}
		if (w->saturation >= 0)
			text_append(out, ", saturation %.2f", w->saturation);
	}
	text_append(out, "\n");
}

static void explain_window(const struct status *s, unsigned i, struct text *out)
{
	const struct window_view *w = &s->view.window[i];

	text_append(out, "4. Service %s: ", s->config.service[i].name);
	if (s->config.service[i].shed == PLAN_SHED_NO) {
		text_append(out, "never shed\n");
		return;
	}
	if (w->law == LAW_OPEN) {
		text_append(
			out,
			"no signal is known that could decide, and every connection is admitted\n");
		return;
	}
	explain_sessions(s, i, out);
	explain_rates(w, out);
	explain_terms(s, i, out);
}

static void explain_queue(const struct status *s, unsigned i, struct text *out)
{
	const struct backlog_view *b = &s->view.backlog;
	const struct window_view *w = &s->view.window[i];

	if (!b->known || s->config.service[i].shed == PLAN_SHED_NO)
		return;
	text_append(out, "   queue behind it: %.0f messages wait for this machine, %s by %.1f/s",
		    sample_get(&s->sample, SIGNAL_QUEUE_READY_COUNT, 0),
		    b->growth_per_s >= 0 ? "growing" : "shrinking", fabs(b->growth_per_s));
	if (b->drain_s > 0) {
		text_append(out, ", gone in ");
		words_value(out, UNIT_S, b->drain_s);
	}
	if (w->queue_allowed_per_s > 0)
		text_append(out, "; it lets %.1f/s in%s", w->queue_allowed_per_s,
			    w->queue_binds ? " (binds)" : "");
	text_append(out, "\n");
}

/* Every term of the rate that the filter allows: core/second_stage.h. */
static void explain_filter(const struct status *s, unsigned i, struct text *out)
{
	const struct second_stage_view *v = &s->view.second_stage;
	const struct window_view *w = &s->view.window[i];

	if (!v->known || s->config.service[i].shed == PLAN_SHED_NO)
		return;
	text_append(out, "   filter behind it: a message costs ");
	if (v->server_cost_s > 0)
		text_append(out, "%.2f ms of CPU to the server and ", v->server_cost_s * 1000);
	text_append(out, "%.2f ms to the filter; %.1f/s leave it, ", v->cost_s * 1000,
		    v->leaving_per_s);
	if (v->keeps_up)
		text_append(out, "and it keeps up");
	else
		text_append(
			out,
			"%.0f wait for the filter, %.0f of which may, and %.1f/s are carried by %s",
			v->behind, v->behind_max, v->carries_per_s,
			v->carries_per_s > v->leaving_per_s ? "both" : "it");
	if (v->allowed_per_s > 0)
		text_append(out, "; it lets %.1f/s in%s, and the others leave in a minute",
			    v->allowed_per_s, w->queue_binds ? " (binds)" : "");
	text_append(out, "\n");
}

static void explain_counts(const struct status *s, unsigned i, struct text *out)
{
	const struct counts_service *c = &s->total[i];
	int said = 0;

	text_append(out, "   since the start: %llu admitted, %llu deferred",
		    (unsigned long long)c->admitted, (unsigned long long)c->deferred);
	for (int r = 0; r < REASON__COUNT; r++)
		if (c->deferred_by[r])
			text_append(out, "%s%s %llu%s", said++ ? ", " : " (",
				    reason_name((enum reason)r),
				    (unsigned long long)c->deferred_by[r],
				    r == REASON_LATE ? " of the admitted" : "");
	text_append(out, said ? ")" : "");
	if (c->would_defer)
		text_append(out, ", %llu would have been deferred if enforcing",
			    (unsigned long long)(c->would_defer - c->would_hold));
	if (c->would_hold)
		text_append(out, ", and %llu would have waited for a place first",
			    (unsigned long long)c->would_hold);
	text_append(out, "\n");
}

void explain_status(const struct status *s, const struct in6_addr *address,
		    const struct source_snapshot *snapshot, struct text *out)
{
	char name[INET6_ADDRSTRLEN];
	bool trusted = false, refused = false;

	if (address) {
		trusted = config_trusted(&s->config, address);
		refused = config_refused(&s->config, address);
		text_append(
			out, "0. %s %s\n", address_print(address, name),
			trusted	  ? "lies in source.trusted: only a drain or maintenance defers it"
			: refused ? "lies in source.refused: always deferred"
				  : "is not in source.trusted: decided like every other source");
		if (snapshot)
			explain_source(s, snapshot, out);
		else
			text_append(
				out,
				"   what is known of it is told to root and the group of control.group\n");
	}
	explain_fronts(s, out);
	faults_explain(s, out);
	explain_signals(s, out);
	explain_pressure(s, out);
	explain_neighbours(s, out);
	explain_exhaustion(s, out);
	for (unsigned i = 0; i < s->config.services; i++) {
		explain_window(s, i, out);
		explain_queue(s, i, out);
		explain_filter(s, i, out);
		explain_verdict(s, i, trusted, refused, snapshot, out);
		explain_counts(s, i, out);
	}
}
