#include "publish/headline_kind.h"

#include <stdio.h>
#include <string.h>

#include "publish/words.h"

bool headline_defers(const struct engine_view *v)
{
	return 1 - v->admit_ratio >= HEADLINE_SAID_RATIO;
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
		snprintf(h->driver, sizeof(h->driver), HEADLINE_DEMAND);
		snprintf(h->signal, sizeof(h->signal), "demand_ratio");
		h->pressure = h->value = v->demand_ratio;
	}
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

enum reason headline_front_reason(const struct status *s)
{
	enum reason reason = REASON_NONE;
	uint64_t deferred = 0, by_front = 0;

	for (unsigned i = 0; i < s->config.services; i++) {
		deferred += s->lately[i].deferred;
		by_front += lately_by_front(&s->lately[i], &reason);
	}
	return 2 * by_front > deferred ? reason : REASON_NONE;
}

void headline_judge(const struct status *s, struct headline *ret)
{
	*ret = (struct headline){ .kind = headline_kind(&s->view),
				  .deferred_ratio = 1 - s->view.admit_ratio,
				  .since_us = s->headline_since_us };
	set_driver(s, ret);
	if (ret->kind == HEADLINE_OBSERVING || ret->kind == HEADLINE_BLIND)
		ret->deferred_ratio = refused_by_fronts(s, &ret->reason);
	else if (ret->deferred_ratio >= HEADLINE_SAID_RATIO || ret->kind <= HEADLINE_MAINTENANCE)
		ret->reason = reason_now(s);
}
