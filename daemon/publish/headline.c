#include "publish/headline.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "publish/neighbour_words.h"
#include "publish/words.h"

#define SAID_RATIO 0.001 /* a smaller share would be shown as "0.0 %" */
#define DEMAND "demand"
#define NAMED_FROM 0.5 /* pressure: a lower one is not worth naming */

bool headline_defers(const struct engine_view *v)
{
	return 1 - v->admit_ratio >= SAID_RATIO;
}

enum headline_kind headline_kind(const struct engine_view *v)
{
	if (v->state == STATE_DRAINING)
		return HEADLINE_DRAINING;
	if (v->state == STATE_MAINTENANCE)
		return HEADLINE_MAINTENANCE;
	if (v->state == STATE_BLIND)
		return HEADLINE_BLIND;
	if (v->mode == PLAN_OBSERVE)
		return HEADLINE_OBSERVING;
	/* The level rises at once, and stays until nothing has been deferred for some seconds,
	 * so that headline and level never contradict each other. */
	if (v->level.number >= LEVEL_SHEDDING)
		return HEADLINE_DEFERRING;
	if (v->foreign)
		return HEADLINE_NEIGHBOUR;
	return v->level.number == LEVEL_NORMAL ? HEADLINE_NORMAL : HEADLINE_PRESSED;
}

bool headline_proxy_is_down(const struct status *s, struct status_front *ret_proxy)
{
	for (unsigned i = 0; i < status_front_named(s, i, ret_proxy); i++)
		if (strcmp(ret_proxy->name, "proxy") == 0)
			return !ret_proxy->up;
	return false;
}

const char *headline_name(enum headline_kind kind)
{
	static const char *const names[HEADLINE__COUNT] = {
#define X(id, name) [HEADLINE_##id] = name,
		HEADLINE_TABLE(X)
#undef X
	};

	return kind < HEADLINE__COUNT ? names[kind] : "unknown";
}

/* What most clients of the service heard that deferred most in the last seconds. */
static enum reason reason_lately(const struct status *s)
{
	const struct lately_service *most = &s->lately[0];

	for (unsigned i = 1; i < s->config.services; i++)
		if (s->lately[i].deferred > most->deferred)
			most = &s->lately[i];
	return lately_reason(most);
}

/* The reason that the service which refuses most gives. If the law refuses none, a front did: the
 * mail server behind it cannot be reached, say. */
static enum reason reason_now(const struct status *s)
{
	const struct engine_view *v = &s->view;
	enum reason reason = REASON_NONE;
	double most = 0;

	if (v->state == STATE_DRAINING)
		return REASON_DRAIN;
	if (v->state == STATE_MAINTENANCE)
		return REASON_MAINTENANCE;
	for (unsigned i = 0; i < s->config.services; i++) {
		const struct window_view *w = &v->window[i];
		double deferred = w->offered_per_s - w->admitted_per_s;

		if (!w->refusing || (reason != REASON_NONE && deferred <= most))
			continue;
		reason = w->reason;
		most = deferred;
	}
	return reason != REASON_NONE ? reason : reason_lately(s);
}

/* The driver is demand if that is higher than the pressure of the machine. */
static void set_driver(const struct status *s, struct headline *h)
{
	const struct engine_view *v = &s->view;
	const struct pressure *p = &v->pressure;

	h->pressure = h->value = -1;
	if (p->any_known && p->driver < RESOURCE__COUNT && p->driver_signal < SIGNAL__COUNT) {
		snprintf(h->driver, sizeof(h->driver), "%s", resource_name(p->driver));
		snprintf(h->signal, sizeof(h->signal), "%s", signal_info[p->driver_signal].name);
		h->pressure = p->combined;
		h->value =
			words_shown(p->driver_signal, sample_get(&s->sample, p->driver_signal, -1));
	}
	if (v->demand_ratio > 1 && v->demand_ratio > h->pressure) {
		snprintf(h->driver, sizeof(h->driver), DEMAND);
		snprintf(h->signal, sizeof(h->signal), "demand_ratio");
		h->pressure = h->value = v->demand_ratio;
	}
}

static void add_driver(const struct status *s, const struct headline *h, struct text *out)
{
	enum signal driver = s->view.pressure.driver_signal;

	if (h->pressure < NAMED_FROM)
		return;
	if (h->signal[0] && driver < SIGNAL__COUNT && sample_has(&s->sample, driver) &&
	    h->pressure == s->view.pressure.combined) {
		text_append(out, " The highest pressure is %.2f, of the resource %s: %s ",
			    h->pressure, h->driver, h->signal);
		words_signal(out, driver, s->sample.value[driver]);
		text_append(out, ".");
	} else {
		text_append(out, " ");
		words_times(out, h->pressure);
		text_append(out, " as much mail is offered as can be carried.");
	}
}

static void add_order(const struct status *s, const char *what, struct text *out)
{
	char when[32];

	text_append(out, "%s: new connections are deferred", what);
	if (s->view.order_until_us)
		text_append(out, " until %s", words_time(s->view.order_until_us, when));
	text_append(out, ".");
}

/* Nothing is deferred, and the level is held: core/level.h. */
static void add_held_level(const struct status *s, struct text *out)
{
	char when[32];

	text_append(out, "No new connection is deferred now");
	if (s->deferred_us)
		text_append(out, ", and none has been since %s", words_time(s->deferred_us, when));
	text_append(out, ". The level stays %s for up to two minutes after that.",
		    level_name(s->view.level.number));
}

/* The highest pressure may be of another resource than the one that limits the window. In one
 * sentence that would read as a contradiction. */
static bool names_another(const struct headline *h)
{
	return h->reason >= REASON_CPU && h->reason <= REASON_SMTP &&
	       strcmp(h->driver, DEMAND) != 0 && strcmp(h->driver, reason_name(h->reason)) != 0;
}

/* The control group that takes the CPU time that the mail server lacks. NULL: none, or it is not
 * known. */
static const struct neighbour *starves(const struct status *s, const struct headline *h,
				       bool *ret_more)
{
	bool by_cpu =
		h->reason == REASON_CPU || h->reason == REASON_SMTP || h->reason == REASON_LATE;

	*ret_more = false;
	if (h->kind == HEADLINE_PRESSED)
		by_cpu = s->view.pressure.driver == RESOURCE_CPU ||
			 s->view.pressure.driver == RESOURCE_SMTP;
	else if (h->kind != HEADLINE_DEFERRING)
		by_cpu = false;
	return by_cpu ? neighbour_starves(&s->view, &s->sample, &s->neighbours, ret_more) : NULL;
}

/* A server that gets no CPU time is not to blame for being slow. */
static void add_reason(const struct status *s, const struct headline *h,
		       const struct neighbour *who, bool more, struct text *out)
{
	if (who && more && h->reason != REASON_CPU)
		text_append(out, ": the mail server lacks CPU time");
	else if (h->reason != REASON_NONE)
		text_append(out, ": %s", reason_sentence(h->reason));
	if (who) {
		text_append(out, "; ");
		neighbour_compare(&s->sample, who, out);
	} else if (h->reason == REASON_SMTP && neighbour_cpus_full(&s->view, &s->sample)) {
		text_append(out, "; the CPUs are full");
	}
	text_append(out, ".");
}

static void add_deferring(const struct status *s, const struct headline *h, struct text *out)
{
	const struct neighbour *who;
	bool more;

	if (!headline_defers(&s->view)) {
		add_held_level(s, out);
		return;
	}
	words_share(out, h->deferred_ratio);
	text_append(out, " of the new connections are deferred");
	who = starves(s, h, &more);
	add_reason(s, h, who, more, out);
	if (!who && !names_another(h))
		add_driver(s, h, out);
}

/* Fewer are deferred than the lowest level needs: perhaps one source sends too much. */
static void add_admitted(const struct headline *h, struct text *out)
{
	if (h->deferred_ratio < SAID_RATIO) {
		text_append(out, "all mail is admitted.");
		return;
	}
	text_append(out, "all new connections but ");
	words_share(out, h->deferred_ratio);
	text_append(out, " are admitted.");
}

static void add_pressed(const struct status *s, const struct headline *h, struct text *out)
{
	const struct neighbour *who;
	bool more;

	text_append(out, "The machine is close to its objective: ");
	add_admitted(h, out);
	add_driver(s, h, out);
	who = starves(s, h, &more);
	if (!who)
		return;
	text_append(out, " Of the CPU time, ");
	neighbour_compare(&s->sample, who, out);
	text_append(out, ".");
}

static void add_neighbour(const struct status *s, const struct headline *h, struct text *out)
{
	const struct neighbour *who = neighbour_who(&s->view, &s->neighbours);

	text_append(out, "The machine is loaded by ");
	if (who)
		neighbour_describe(s->view.pressure.driver, who, out);
	else
		text_append(out, "other programs than mail");
	text_append(out, ". Refusing mail would not help, so ");
	add_admitted(h, out);
	if (!who)
		add_driver(s, h, out);
}

/* What the fronts refused by themselves in the last seconds. Returns its part of what was offered,
 * 0..1. */
static double refused_by_fronts(const struct status *s, enum reason *ret_reason)
{
	struct lately_service all = { 0 };
	uint64_t refused;

	for (unsigned i = 0; i < s->config.services; i++) {
		all.offered += s->lately[i].offered;
		for (int r = 0; r < REASON__COUNT; r++)
			all.deferred_by[r] += s->lately[i].deferred_by[r];
	}
	refused = lately_by_front(&all, ret_reason);
	/* Those that waited for an answer to the connect may have come before. */
	return refused < all.offered ? (double)refused / (double)all.offered : refused > 0;
}

/* "everything is admitted", or what the fronts refuse though no load does. */
static void add_unshed(const struct headline *h, const char *all, struct text *out)
{
	if (h->deferred_ratio < SAID_RATIO) {
		text_append(out, "%s", all);
		return;
	}
	text_append(out, "nothing is deferred for load, but ");
	words_share(out, h->deferred_ratio);
	text_append(out, " of the new connections were refused in the last seconds: %s",
		    reason_sentence(h->reason));
}

static void add_observing(const struct status *s, const struct headline *h, struct text *out)
{
	text_append(out, "Observe mode: ");
	add_unshed(h, "everything is admitted", out);
	if (s->view.would_defer_ratio >= SAID_RATIO) {
		bool waits = status_would_hold(s) > 0;

		text_append(out, "; enforcing would defer %s", waits ? "up to " : "");
		words_share(out, s->view.would_defer_ratio);
		text_append(out, " now%s", waits ? ", and let them wait for a place first" : "");
	}
	text_append(out, ".");
}

static void add_sentence(const struct status *s, const struct headline *h, struct text *out)
{
	struct status_front proxy;

	if (h->kind > HEADLINE_MAINTENANCE && headline_proxy_is_down(s, &proxy)) {
		text_append(out, "The front proxy is down: %s.", proxy.why);
		return;
	}
	switch (h->kind) {
	case HEADLINE_DRAINING:
		add_order(s, "An operator drains this machine", out);
		break;
	case HEADLINE_MAINTENANCE:
		add_order(s, "Maintenance", out);
		break;
	case HEADLINE_BLIND:
		text_append(out, "No sensor gives a value: penstock is blind and ");
		add_unshed(h, "admits everything", out);
		text_append(out, ".");
		break;
	case HEADLINE_OBSERVING:
		add_observing(s, h, out);
		break;
	case HEADLINE_DEFERRING:
		add_deferring(s, h, out);
		break;
	case HEADLINE_NEIGHBOUR:
		add_neighbour(s, h, out);
		break;
	case HEADLINE_PRESSED:
		add_pressed(s, h, out);
		break;
	default:
		text_append(out, "The machine carries its load: ");
		add_admitted(h, out);
	}
}

/* `who` NULL: the one that takes it is not known. */
static void add_neighbour_advice(const struct status *s, enum resource resource,
				 const struct neighbour *who, struct text *out)
{
	if (who)
		neighbour_advise(resource, who, &s->neighbours, out);
	else
		neighbour_search(resource, out);
	text_append(out, ".");
	out->data[0] = (char)toupper((unsigned char)out->data[0]);
}

static void add_advice(const struct status *s, const struct headline *h, struct text *out)
{
	bool more;
	const struct neighbour *starving = starves(s, h, &more);
	struct status_front proxy;

	if (h->kind > HEADLINE_MAINTENANCE && headline_proxy_is_down(s, &proxy))
		text_append(out, "systemctl status penstock-proxy; "
				 "systemctl restart penstock-proxy.");
	else if (h->kind == HEADLINE_DRAINING)
		text_append(out, "penstockctl resume ends the drain.");
	else if (h->kind == HEADLINE_MAINTENANCE)
		text_append(out, "penstockctl resume ends it now.");
	else if (h->kind == HEADLINE_BLIND)
		text_append(
			out,
			"penstockctl support says what this kernel and these privileges allow.");
	else if (h->kind == HEADLINE_OBSERVING && h->deferred_ratio >= SAID_RATIO)
		text_append(out, "penstockctl check names the fault and its remedy.");
	else if (h->kind == HEADLINE_OBSERVING && s->view.would_defer_ratio >= SAID_RATIO)
		text_append(out, "penstockctl mode enforce does that%s",
			    s->config.mode == PLAN_OBSERVE
				    ? ", until the next restart or reload."
				    : ". So does the next restart or reload.");
	else if (starving && more)
		add_neighbour_advice(s, RESOURCE_CPU, starving, out);
	else if (h->kind == HEADLINE_DEFERRING)
		text_append(out, "penstockctl explain names the resource; "
				 "penstockctl sources --sort rate says who sends.");
	else if (h->kind == HEADLINE_NEIGHBOUR)
		add_neighbour_advice(s, s->view.pressure.driver,
				     neighbour_who(&s->view, &s->neighbours), out);
}

void headline_tell(const struct status *s, struct headline *ret)
{
	struct headline h = { .kind = headline_kind(&s->view),
			      .deferred_ratio = 1 - s->view.admit_ratio,
			      .since_us = s->headline_since_us };
	struct text sentence = TEXT_OF(h.sentence), advice = TEXT_OF(h.advice);

	set_driver(s, &h);
	if (h.kind == HEADLINE_OBSERVING || h.kind == HEADLINE_BLIND)
		h.deferred_ratio = refused_by_fronts(s, &h.reason);
	else if (h.deferred_ratio >= SAID_RATIO || h.kind <= HEADLINE_MAINTENANCE)
		h.reason = reason_now(s);
	add_sentence(s, &h, &sentence);
	add_advice(s, &h, &advice);
	*ret = h;
}
