/* What the scenario changes, orders and expects, tick by tick. */
#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "penstock-sim/report.h"
#include "penstock-sim/record.h"
#include "penstock-sim/run.h"

static double *variable(struct run *r, const char *name)
{
	struct plant_config *k = &r->plant.config;
	const struct {
		const char *name;
		double *value;
	} all[] = { { "offered", &r->offered },
		    { "neighbour", &r->plant.cpu.neighbour },
		    { "weight", &r->plant.cpu.weight },
		    { "stuck", &r->plant.cpu.stuck },
		    { "restart", &r->restart },
		    { "hung", &r->hung },
		    { "commit", &k->commit_s },
		    { "commit_each", &k->commit_each_s },
		    { "cost", &k->cost_s },
		    { "filter", &k->filter_s },
		    { "think", &k->think_s },
		    { "lookup", &k->lookup_s },
		    { "slots", &k->slots },
		    { "memory", &k->memory_bytes },
		    { "session_memory", &k->session_bytes },
		    { "slow_share", &k->slow_share },
		    { "loss", &r->sense.config.loss },
		    { "noise", &r->sense.config.noise },
		    { "delay", &r->sense.config.delay_s } };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (strcmp(all[i].name, name) == 0)
			return all[i].value;
	if (strncmp(name, "share.", 6) == 0)
		for (unsigned i = 0; i < r->senders.groups; i++)
			if (strcmp(r->senders.group[i].name, name + 6) == 0)
				return &r->senders.group[i].share;
	return NULL;
}

/* ---- expectations ------------------------------------------------------------------------------------------------ */

static double mean(const struct run *r, size_t offset, double over_s)
{
	const struct measure *m = &r->measure;
	unsigned n = (unsigned)fmax(1, fmin(fmin(over_s * 10, m->ticks), MEASURE_TICKS));
	double sum = 0;

	for (uint32_t i = m->ticks - n; i < m->ticks; i++)
		sum += *(const double *)(const void *)((const char *)&m->tick[i % MEASURE_TICKS] +
						       offset);
	return sum / n;
}

static double worst(const struct run *r, size_t offset, double over_s)
{
	const struct measure *m = &r->measure;
	unsigned n = (unsigned)fmax(1, fmin(fmin(over_s * 10, m->ticks), MEASURE_TICKS));
	double most = 0;

	for (uint32_t i = m->ticks - n; i < m->ticks; i++)
		most = fmax(
			most,
			*(const double *)(const void *)((const char *)&m->tick[i % MEASURE_TICKS] +
							offset));
	return most;
}

static int measure_tick_mean(const struct run *r, const struct script_event *e, double *ret)
{
	static const struct {
		const char *name;
		size_t offset;
		double scale;
	} columns[] = { { "goodput", offsetof(struct measure_tick, completed), 10 },
			{ "in_time", offsetof(struct measure_tick, in_time), 10 },
			{ "refused", offsetof(struct measure_tick, refused), 10 },
			{ "window", offsetof(struct measure_tick, window), 1 },
			{ "in_flight", offsetof(struct measure_tick, in_flight), 1 },
			{ "pressure", offsetof(struct measure_tick, pressure), 1 },
			{ "capacity", offsetof(struct measure_tick, capacity), 1 } };

	for (size_t i = 0; i < ARRAY_SIZE(columns); i++)
		if (strcmp(columns[i].name, e->name) == 0) {
			*ret = columns[i].scale * mean(r, columns[i].offset, e->over_s);
			return 0;
		}
	return -ENOENT;
}

static int measure_of(struct run *r, const struct script_event *e, double *ret)
{
	const struct engine_view *v = &r->law.engine.view;
	const struct counts_service *c = &r->plant.counts;
	const struct {
		const char *name;
		double value;
	} now[] = { { "level", v->level.number },
		    { "state", v->state },
		    { "foreign", v->foreign },
		    { "oom_kills", (double)r->plant.oom_kills },
		    { "dropped", (double)r->plant.dropped },
		    { "filter_queue", r->plant.filter_queue },
		    { "refused_total", (double)c->deferred },
		    { "would_defer", (double)c->would_defer },
		    { "waiting_mail", r->senders.waiting } };
	double changes = 0;

	if (measure_tick_mean(r, e, ret) == 0)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(now); i++)
		if (strcmp(now[i].name, e->name) == 0) {
			*ret = now[i].value;
			return 0;
		}
	for (int i = 0; i < REASON__COUNT; i++)
		if (strncmp(e->name, "reason.", 7) == 0 &&
		    strcmp(reason_name((enum reason)i), e->name + 7) == 0) {
			*ret = (double)c->deferred_by[i];
			return 0;
		}
	for (int i = 0; i < LEVEL__COUNT; i++)
		changes += (double)v->level.changes[i];
	if (strcmp(e->name, "level_changes") == 0)
		*ret = changes;
	else if (strcmp(e->name, "latency_worst") == 0)
		*ret = worst(r, offsetof(struct measure_tick, latency), e->over_s);
	else if (strcmp(e->name, "waiting_worst") == 0)
		*ret = worst(r, offsetof(struct measure_tick, waiting_s), e->over_s);
	else
		return report_value(r, e->name, ret);
	return 0;
}

static bool holds(double value, const char *operator, double wanted)
{
	if (strcmp(operator, "<") == 0)
		return value < wanted;
	if (strcmp(operator, "<=") == 0)
		return value <= wanted;
	if (strcmp(operator, ">") == 0)
		return value > wanted;
	if (strcmp(operator, ">=") == 0)
		return value >= wanted;
	if (strcmp(operator, "==") == 0)
		return value == wanted;
	return strcmp(operator, "!=") == 0 && value != wanted;
}

static void expect(struct run *r, const struct script_event *e)
{
	double value = 0;
	bool known = measure_of(r, e, &value) == 0,
	     met = known && holds(value, e->operator, e->value);

	if (!met) {
		r->failed++;
		fprintf(stderr, "line %u: %s: %s %g\n", e->line, e->text,
			known ? "it is" : "there is no such thing to measure,", value);
	}
}

/* ---- changes ----------------------------------------------------------------------------------------------------- */

static void order(struct run *r, const char *name)
{
	struct engine *engine = &r->law.engine;
	enum trace_order_kind kind = TRACE_ORDER_STATE;

	if (strcmp(name, "drain") == 0) {
		engine_order(engine, STATE_DRAINING, 0, "scenario");
	} else if (strcmp(name, "resume") == 0) {
		engine_order(engine, STATE_SERVING, 0, NULL);
	} else {
		engine_set_mode(engine, strcmp(name, "observe") == 0 ? PLAN_OBSERVE : PLAN_ENFORCE);
		kind = TRACE_ORDER_MODE;
	}
	record_order(r->law.record, engine, kind, r->now_us);
}

static void change(struct run *r, struct script_event *e, double now_s)
{
	double *v = variable(r, e->name), share;

	if (!v) {
		fprintf(stderr, "line %u: there is nothing called %s to set\n", e->line, e->name);
		r->failed++;
		e->done = true;
		return;
	}
	if (!e->begun)
		e->from = *v;
	e->begun = true;
	share = e->kind == SCRIPT_RAMP && e->over_s > 0 ? fmin(1, (now_s - e->at_s) / e->over_s)
							: 1;
	*v = e->from + (e->value - e->from) * share;
	e->done = share >= 1;
	r->plant.now_us = r->now_us;
	plant_changed(&r->plant, r->now_us);
	senders_weigh(&r->senders);
	r->next_arrival_us = 0;
}

void script_step(struct run *r)
{
	double now_s = run_time_s(r);

	for (unsigned i = 0; i < r->scenario.events; i++) {
		struct script_event *e = &r->scenario.event[i];

		if (e->done || now_s < e->at_s - 1e-9)
			continue;
		if (e->kind == SCRIPT_SET || e->kind == SCRIPT_RAMP) {
			change(r, e, now_s);
			continue;
		}
		e->done = true;
		if (e->kind == SCRIPT_SIGNAL) {
			enum signal s = signal_by_name(e->name);

			r->sense.set[s] = true;
			r->sense.value[s] = e->value;
		} else if (e->kind == SCRIPT_ORDER) {
			order(r, e->name);
		} else {
			expect(r, e);
		}
	}
}
