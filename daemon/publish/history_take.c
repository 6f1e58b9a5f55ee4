#include "publish/history_take.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "publish/neighbour_words.h"
#include "publish/words.h"
#include "publish/headline.h"

bool history_due(const struct history_take *take, uint64_t realtime_us)
{
	return take->at_s != realtime_us / US_PER_S;
}

/* A counter that went back, because a front is gone, counts as 0. */
static uint64_t more_since(uint64_t *before, uint64_t now)
{
	uint64_t more = now > *before ? now - *before : 0;

	*before = now;
	return more;
}

static uint32_t since(uint64_t *before, uint64_t now)
{
	uint64_t more = more_since(before, now);

	return more > UINT32_MAX ? UINT32_MAX : (uint32_t)more;
}

static void take_waits(struct history_take *t, const struct counts_service *total,
		       struct history_record *r)
{
	r->held_admitted = since(&t->held_admitted, total->held_admitted);
	r->held_in_vain = since(&t->held_in_vain, total->held_in_vain);
	r->held_left = since(&t->held_left, total->held_left);
	r->held_s = (float)more_since(&t->held_us, total->held_sum_us) / (float)US_PER_S;
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
	for (unsigned i = 0; i < HISTORY_SERVICES; i++) {
		struct history_service *to = &r->service[i];

		to->offered = since(&t->service[i].offered, s->total[i].offered);
		to->admitted = since(&t->service[i].admitted, s->total[i].admitted);
		to->deferred = since(&t->service[i].deferred, s->total[i].deferred);
	}
	take_waits(t, &total, r);
	r->sources = s->deferred_sources;
}

/* Whether the services are not those of the last record, or there is none. */
static bool are_new(struct history_take *t, const struct config *config)
{
	uint64_t id[PLAN_SERVICES];
	bool same;

	config_service_ids(config, id);
	same = memcmp(t->service_id, id, sizeof(id)) == 0;
	memcpy(t->service_id, id, sizeof(id));
	return !same;
}

/* Leaves out what was counted before penstockd started, or before it knew of a service: proxies go
 * on counting. */
static void leave_counts_out(struct history_record *r)
{
	r->offered = r->admitted = r->deferred = r->would_defer = 0;
	memset(r->by_reason, 0, sizeof(r->by_reason));
	memset(r->service, 0, sizeof(r->service));
	memset(&r->sources, 0, sizeof(r->sources));
	r->held_admitted = r->held_in_vain = r->held_left = 0;
	r->held_s = 0;
}

static void printable(char *text)
{
	for (char *c = text; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
}

static void take_services(const struct status *s, struct history_record *r)
{
	for (unsigned i = 0; i < HISTORY_SERVICES && i < s->config.services; i++) {
		const struct window_view *w = &s->view.window[i];
		struct history_service *to = &r->service[i];

		snprintf(to->name, sizeof(to->name), "%.*s", (int)sizeof(to->name) - 1,
			 s->config.service[i].name);
		printable(to->name);
		to->window = (float)words_window(w->window);
		to->in_flight = s->load.service[i].known & LOAD_IN_FLIGHT
					? (float)s->load.service[i].in_flight
					: -1;
		to->server_time_s = (float)words_server_time_s(w->server_time_s);
	}
}

/* How many wait now; -1: no front has a waiting room. */
static double held(const struct status *s)
{
	double sum = -1;

	for (unsigned i = 0; i < s->config.services; i++)
		if (s->load.service[i].known & LOAD_HELD)
			sum = fmax(0, sum) + s->load.service[i].held;
	return sum;
}

/* A name that is longer than what is kept of it ends with dots. */
static void cut(char *to, size_t size, const char *name)
{
	bool fits = strlen(name) < size;

	snprintf(to, size, "%.*s%s", (int)size - (fits ? 1 : 4), name, fits ? "" : "...");
}

static void take_pressure(const struct status *s, struct history_record *r)
{
	const struct pressure *p = &s->view.pressure;
	const struct neighbour *who = neighbour_who(&s->view, &s->neighbours);
	struct headline h;
	bool more;

	if (!who && (who = neighbour_starves(&s->view, &s->sample, &s->neighbours, &more)) && !more)
		who = NULL;
	headline_tell(s, &h);
	r->headline = (uint8_t)h.kind;
	for (int i = 0; i < RESOURCE__COUNT; i++)
		r->pressure[i] = p->known[i] ? (float)p->resource[i] : -1;
	r->demand = (float)s->view.demand_ratio;
	r->driver_pressure = (float)h.pressure;
	r->driver_value = (float)h.value;
	snprintf(r->driver, sizeof(r->driver), "%s", h.driver);
	snprintf(r->signal, sizeof(r->signal), "%s", h.signal);
	if (who)
		cut(r->unit, sizeof(r->unit), who->unit);
	printable(r->unit);
}

/* A drain that began and ended since the last record shows in what clients were told. */
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
	if (are_new(t, &s->config) || !t->begun)
		leave_counts_out(&r);
	if (!t->begun)
		r.flags |= HISTORY_STARTED;
	take_services(s, &r);
	take_pressure(s, &r);
	take_order(&r);
	r.window = (float)status_window(s);
	r.in_flight = (float)s->view.in_flight;
	r.held = (float)held(s);
	for (unsigned i = 0; i < s->config.services; i++)
		server_time_s =
			fmax(server_time_s, words_server_time_s(s->view.window[i].server_time_s));
	r.server_time_s = (float)server_time_s;
	r.connect_220_s = sample_has(&s->sample, SIGNAL_CONNECT_220_P99_US)
				  ? (float)(s->sample.value[SIGNAL_CONNECT_220_P99_US] / 1e6)
				  : -1;
	r.sources_deferred =
		s->sources_known ? (uint32_t)fmin((double)s->sources.deferred, UINT32_MAX) : 0;
	if (r.deferred)
		r.flags |= HISTORY_REFUSING;
	if (t->begun && t->reloaded_us != s->reloaded_realtime_us)
		r.flags |= HISTORY_RELOADED;
	t->reloaded_us = s->reloaded_realtime_us;
	if (t->begun && t->mode != r.mode)
		r.flags |= HISTORY_MODE_CHANGED;
	t->mode = r.mode;
	t->begun = true;
	*ret = r;
}
