#include "publish/history_take.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "publish/foreign.h"
#include "publish/headline.h"

bool history_due(const struct history_take *take, uint64_t realtime_us)
{
	return take->at_s != realtime_us / US_PER_S;
}

/* A counter that went back (a front that is gone) has counted nothing. */
static uint32_t since(uint64_t *before, uint64_t now)
{
	uint64_t more = now > *before ? now - *before : 0;

	*before = now;
	return more > UINT32_MAX ? UINT32_MAX : (uint32_t)more;
}

static void take_counts(struct history_take *t, const struct status *s, struct history_record *r)
{
	struct counts_service total = { 0 };

	for (int i = 0; i < PLAN_SERVICES; i++)
		counts_add(&total, &s->total[i]);
	r->offered = since(&t->offered, total.offered);
	r->admitted = since(&t->admitted, total.admitted);
	r->deferred = since(&t->deferred, total.deferred);
	r->would_defer = since(&t->would_defer, total.would_defer);
	for (int i = 0; i < REASON__COUNT; i++)
		r->by_reason[i] = since(&t->by_reason[i], total.deferred_by[i]);
	if (t->begun)
		return;
	/* What was counted before penstockd started: proxies count on while it is away. */
	r->offered = r->admitted = r->deferred = r->would_defer = 0;
	memset(r->by_reason, 0, sizeof(r->by_reason));
	r->flags |= HISTORY_STARTED;
}

static void take_pressure(const struct status *s, struct history_record *r)
{
	const struct pressure *p = &s->view.pressure;
	const struct neighbour *who = foreign_who(&s->view, &s->neighbours);
	struct headline h;

	headline_tell(s, &h);
	r->headline = (uint8_t)h.kind;
	for (int i = 0; i < RESOURCE__COUNT; i++)
		r->pressure[i] = p->known[i] ? (float)p->resource[i] : -1;
	r->demand = (float)s->view.demand_ratio;
	r->driver_pressure = (float)h.pressure;
	snprintf(r->driver, sizeof(r->driver), "%s", h.driver);
	snprintf(r->signal, sizeof(r->signal), "%s", h.signal);
	/* A name may be longer than what is kept of it. */
	if (who)
		snprintf(r->unit, sizeof(r->unit), "%.*s%s", (int)sizeof(r->unit) - 4, who->unit,
			 strlen(who->unit) > sizeof(r->unit) - 4 ? "..." : "");
	for (char *c = r->unit; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
}

/* One that began and ended since the last record is told by what clients heard. */
static void take_order(struct history_record *r)
{
	if (r->by_reason[REASON_DRAIN])
		r->headline = HEADLINE_DRAINING;
	else if (r->by_reason[REASON_MAINTENANCE])
		r->headline = HEADLINE_MAINTENANCE;
}

void history_take(struct history_take *t, const struct status *s, struct history_record *ret)
{
	struct history_record r = { .period_s = 1, .seconds = 1 };
	double server_time_s = -1;

	r.at_s = t->at_s = s->realtime_us / US_PER_S;
	r.level = (uint8_t)s->view.level.number;
	r.state = (uint8_t)s->view.state;
	r.mode = (uint8_t)s->view.mode;
	take_counts(t, s, &r);
	take_pressure(s, &r);
	take_order(&r);
	r.window = (float)s->view.window_sum;
	r.in_flight = (float)s->view.in_flight;
	for (unsigned i = 0; i < s->config.services; i++)
		server_time_s = fmax(server_time_s, s->view.window[i].server_time_s);
	r.server_time_s = (float)server_time_s;
	r.connect_220_s = sample_has(&s->sample, SIGNAL_CONNECT_220_P99_US)
				  ? (float)(s->sample.value[SIGNAL_CONNECT_220_P99_US] / 1e6)
				  : -1;
	r.waiting = s->sources_known ? (uint32_t)fmin((double)s->sources.waiting, UINT32_MAX) : 0;
	if (r.deferred)
		r.flags |= HISTORY_REFUSING;
	if (t->begun && t->reloaded_us != s->reloaded_realtime_us)
		r.flags |= HISTORY_RELOADED;
	t->reloaded_us = s->reloaded_realtime_us;
	t->begun = true;
	*ret = r;
}
