#include "publish/explain.h"

#include <arpa/inet.h>
#include <math.h>
#include <string.h>

#include "core/reply.h"
#include "publish/foreign.h"
#include "publish/json.h"

static void scaled(struct text *out, double value, double step, const char *const *units)
{
	while (value >= step && units[1]) {
		value /= step;
		units++;
	}
	text_append(out, "%.*f %s", value < 10 ? 1 : 0, value, *units);
}

void explain_value(struct text *out, enum unit unit, double value)
{
	static const char *const times[] = { "us", "ms", "s", NULL };
	static const char *const sizes[] = { "B", "KiB", "MiB", "GiB", "TiB", NULL };
	static const char *const rates[] = { "B/s", "KiB/s", "MiB/s", "GiB/s", NULL };
	static const char *const bits[] = { "bit/s", "kbit/s", "Mbit/s", "Gbit/s", NULL };

	switch (unit) {
	case UNIT_RATIO:
		text_append(out, "%.1f %%", value * 100);
		break;
	case UNIT_US:
		scaled(out, value, 1000, times);
		break;
	case UNIT_BYTES:
		scaled(out, value, 1024, sizes);
		break;
	case UNIT_BYTES_PER_S:
		scaled(out, value, 1024, rates);
		break;
	case UNIT_BITS_PER_S:
		scaled(out, value, 1000, bits);
		break;
	case UNIT_PER_S:
		text_append(out, "%.4g/s", value);
		break;
	case UNIT_S:
		if (value >= 2 * 86400)
			text_append(out, "%.1f days", value / 86400);
		else if (value >= 2 * 3600)
			text_append(out, "%.1f h", value / 3600);
		else if (value >= 120)
			text_append(out, "%.0f min", value / 60);
		else
			text_append(out, "%.*f s", value < 10 ? 1 : 0, value);
		break;
	case UNIT_CORES:
		text_append(out, "%.2f cores", value);
		break;
	default:
		text_append(out, "%.4g", value);
	}
}

static void explain_signals(const struct status *s, struct text *out)
{
	const struct pressure *p = &s->view.pressure;

	text_append(out, "1. What the machine says, and what is wanted of it\n");
	for (int r = 0; r < RESOURCE__COUNT; r++) {
		text_append(out, "   %-6s ", resource_name((enum resource)r));
		if (!p->known[r]) {
			text_append(out, "not known: no sensor gives a signal of it\n");
			continue;
		}
		text_append(out, "pressure %.2f\n", p->resource[r]);
		for (int i = 0; i < SIGNAL__COUNT; i++) {
			double lately = p->signal[i] * p->target[i];

			if (signal_info[i].resource != (enum resource)r || p->signal[i] <= 0 ||
			    !sample_has(&s->sample, (enum signal)i))
				continue;
			text_append(out, "     %c %-22s ",
				    p->resource_driver[r] == (enum signal)i ? '>' : ' ',
				    signal_info[i].name);
			explain_value(out, signal_info[i].unit, s->sample.value[i]);
			/* Pressure is of the smoothed value: said where the last one alone would not explain it. */
			if (fabs(lately - s->sample.value[i]) > 0.1 * p->target[i]) {
				text_append(out, ", lately ");
				explain_value(out, signal_info[i].unit, lately);
			}
			text_append(out, "  (target ");
			explain_value(out, signal_info[i].unit, p->target[i]);
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
	text_append(out, "%s\n",
		    s->view.foreign ? "; it is a neighbour's: refusing mail would not lower it"
				    : "");
	text_append(out, "3. Level %s since %s, state %s, mode %s\n",
		    level_name(s->view.level.number), json_time(s->level_since_realtime_us, when),
		    engine_state_name(s->view.state),
		    s->view.mode == PLAN_OBSERVE ? "observe (nothing is refused)" : "enforce");
}

static void explain_neighbours(const struct status *s, struct text *out)
{
	const struct neighbour *who = foreign_who(&s->view, &s->neighbours);
	enum resource r = s->view.pressure.driver;

	if (who) {
		text_append(out, "   who it is: ");
		foreign_describe(r, who, out);
		text_append(out, "\n   what helps: ");
		foreign_advise(r, who, &s->neighbours, out);
		text_append(out, "\n");
	}
	if (s->neighbours.leak.known) {
		text_append(out, "   memory grows without end: ");
		foreign_describe_leak(&s->neighbours.leak, out);
		text_append(out, "\n");
	}
}

/* What runs out, and when. */
static void explain_exhaustion(const struct status *s, struct text *out)
{
	static const struct {
		enum signal signal;
		const char *what;
	} rows[] = { { SIGNAL_MEM_EXHAUSTION_S, "memory" },
		     { SIGNAL_SPOOL_EXHAUSTION_S, "spool space" },
		     { SIGNAL_SPOOL_INODES_EXHAUSTION_S, "spool inodes" } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (!sample_has(&s->sample, rows[i].signal))
			continue;
		text_append(out, "   at its present trend no %s is left in ", rows[i].what);
		explain_value(out, UNIT_S, s->sample.value[rows[i].signal]);
		text_append(out, "\n");
	}
}

static void explain_window(const struct status *s, unsigned i, struct text *out)
{
	const struct window_view *w = &s->view.window[i];
	const struct load_service *l = &s->load.service[i];

	text_append(out, "4. Service %s: ", s->config->service[i].name);
	if (s->config->service[i].shed == PLAN_SHED_NO) {
		text_append(out, "never shed\n");
		return;
	}
	if (w->law == LAW_OPEN) {
		text_append(out, "nothing is known to act on, everything is admitted\n");
		return;
	}
	text_append(out, "window %.0f sessions by the %s law", floor(w->window),
		    window_law_name(w->law));
	if (w->hard >= 0)
		text_append(out, ", never above %.0f%s", floor(w->hard),
			    w->hard_binds ? " (binds)" : "");
	if (l->known & LOAD_IN_FLIGHT)
		text_append(out, "; in flight %.0f", l->in_flight);
	if (l->known & LOAD_BUSY)
		text_append(out, ", busy %.0f", l->busy);
	if (l->known & LOAD_WAITING)
		text_append(out, ", waiting for a greeting %.0f", l->waiting);
	text_append(out, "\n");
	text_append(out, "   offered %.1f/s, admitted %.1f/s", w->offered_per_s, w->admitted_per_s);
	if (w->law == LAW_CAPACITY) {
		text_append(out, ", completed %.1f/s", w->completed_per_s);
		if (w->capacity_per_s >= 0)
			text_append(out, ", capacity seen %.1f/s", w->capacity_per_s);
		if (w->server_time_s >= 0)
			text_append(out, ", server time %.0f ms (wanted %.0f ms)",
				    w->server_time_s * 1000, w->target_time_s * 1000);
		if (w->saturation >= 0)
			text_append(out, ", saturation %.2f", w->saturation);
	}
	text_append(out, "\n");
}

static void explain_queue(const struct status *s, unsigned i, struct text *out)
{
	const struct backlog_view *b = &s->view.backlog;
	const struct window_view *w = &s->view.window[i];

	if (!b->known || s->config->service[i].shed == PLAN_SHED_NO)
		return;
	text_append(out, "   queue behind it: %.0f messages wait for this machine, %s by %.1f/s",
		    sample_get(&s->sample, SIGNAL_QUEUE_READY_COUNT, 0),
		    b->growth_per_s >= 0 ? "growing" : "shrinking", fabs(b->growth_per_s));
	if (b->drain_s > 0) {
		text_append(out, ", gone in ");
		explain_value(out, UNIT_S, b->drain_s);
	}
	if (w->queue_allowed_per_s > 0)
		text_append(out, "; it lets %.1f/s in%s", w->queue_allowed_per_s,
			    w->queue_binds ? " (binds)" : "");
	text_append(out, "\n");
}

static const char *limit_sentence(enum limit limit)
{
	switch (limit) {
	case LIMIT_WINDOW:
		return "as many sessions are in flight as the window has";
	case LIMIT_WAITING:
		return "too many sessions wait for their greeting already";
	case LIMIT_RATE:
		return "the admission rate is used up for the moment";
	case LIMIT_CUTOFF:
		return "the source's score is under the cut-off, and what room is left is kept for others";
	case LIMIT_ORDER:
		return "an operator ordered it";
	case LIMIT_REFUSED:
		return "the source lies in source.refused";
	case LIMIT_HEAVY:
		return "the source sends unusually much, or more than its limit";
	case LIMIT_SESSIONS:
		return "the source has as many sessions open as one may have";
	default:
		return "no limit binds";
	}
}

static void explain_verdict(const struct status *s, unsigned i, bool trusted, bool refused,
			    const struct source_picture *picture, struct text *out)
{
	const struct load_service *l = &s->load.service[i];
	struct plan_request request = { .now_us = s->now_us,
					.service = i,
					.in_flight = (uint32_t)fmax(0, l->in_flight),
					.waiting = (uint32_t)fmax(0, l->waiting),
					.tokens_milli = PLAN_UNLIMITED,
					.score = PLAN_UNLIMITED,
					.trusted = trusted,
					.refused = refused };
	struct verdict v;
	char reply[REPLY_MAX + 1];

	if (picture)
		plan_rank(&s->plan, &picture->view.source, &request);
	v = plan_decide(&s->plan, &request);
	text_append(out, "5. A new connection now: ");
	if (v.admit && !v.would_defer) {
		text_append(out, "admitted (%s: %s)\n", reason_name((enum reason)v.reason),
			    reason_sentence((enum reason)v.reason));
		return;
	}
	text_append(out, "%s, %s; reason %s: %s\n",
		    v.would_defer ? "admitted, but enforcing would defer it" : "deferred",
		    limit_sentence((enum limit)v.limit), reason_name((enum reason)v.reason),
		    reason_sentence((enum reason)v.reason));
	reply_line(reply, sizeof(reply), s->config->service[i].reply_code,
		   s->config->service[i].hostname, (enum reason)v.reason, s->plan.order_until_us);
	reply[strcspn(reply, "\r\n")] = 0;
	text_append(out, "6. On the wire: %s\n", reply);
}

static void explain_counts(const struct status *s, unsigned i, struct text *out)
{
	const struct counts_service *c = &s->total[i];

	text_append(out, "   so far: %llu admitted, %llu deferred", (unsigned long long)c->admitted,
		    (unsigned long long)c->deferred);
	for (int r = 0; r < REASON__COUNT; r++)
		if (c->deferred_by[r])
			text_append(out, " (%s %llu)", reason_name((enum reason)r),
				    (unsigned long long)c->deferred_by[r]);
	text_append(out, "\n");
}

int explain_address(const char *text, struct in6_addr *ret)
{
	struct in_addr v4;

	if (inet_pton(AF_INET6, text, ret) == 1)
		return 0;
	if (inet_pton(AF_INET, text, &v4) != 1)
		return -1;
	memset(ret, 0, sizeof(*ret));
	ret->s6_addr[10] = ret->s6_addr[11] = 0xff;
	memcpy(&ret->s6_addr[12], &v4, 4);
	return 0;
}

void explain_status(const struct status *s, const char *address,
		    const struct source_picture *picture, struct text *out)
{
	struct in6_addr source;
	bool trusted = false, refused = false;

	if (address && explain_address(address, &source) < 0) {
		text_append(out, "this is no numeric address: ");
		text_append_clean(out, address, strnlen(address, 64));
		text_append(out, "; give one like 203.0.113.9 or 2001:db8::1\n");
		return;
	}
	if (address) {
		trusted = config_trusted(s->config, &source);
		refused = config_refused(s->config, &source);
		text_append(out, "0. %s %s\n", address,
			    trusted ? "lies in source.trusted: only an operator's drain defers it"
			    : refused
				    ? "lies in source.refused: always deferred"
				    : "is not in source.trusted: decided like every other source");
		if (picture)
			sources_explain(s, picture, out);
		else
			text_append(
				out,
				"   what is known of it is told to root and the group of control.group\n");
	}
	explain_signals(s, out);
	explain_pressure(s, out);
	explain_neighbours(s, out);
	explain_exhaustion(s, out);
	for (unsigned i = 0; i < s->config->services; i++) {
		explain_window(s, i, out);
		explain_queue(s, i, out);
		explain_verdict(s, i, trusted, refused, picture, out);
		explain_counts(s, i, out);
	}
}
