/* Carries out the changes and orders of the scenario, and checks its expectations, tick by tick. */
#include "penstock-sim/script.h"

#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "penstock-sim/report.h"
#include "penstock-sim/record.h"

/* Finds the hosts of a name: "host2.NAME" is for that host alone, a plain name for all. Returns the
 * name without the host; NULL: the name of all; an index after the last: there is no such host. */
static const char *host_of(const char *name, unsigned *ret_from, unsigned *ret_to,
			   const struct run *r)
{
	unsigned number;
	int length = 0;

	*ret_from = 0;
	*ret_to = r->hosts;
	if (sscanf(name, "host%u.%n", &number, &length) < 1 || length == 0)
		return name;
	*ret_from = number - 1;
	*ret_to = number >= 1 && number <= r->hosts ? number : 0;
	return name + length;
}

static double *host_variable(struct host *h, const char *name)
{
	struct plant_config *k = &h->plant.config;
	const struct {
		const char *name;
		double *value;
	} all[] = { { "neighbour", &h->plant.cpu.neighbour },
		    { "weight", &h->plant.cpu.weight },
		    { "stuck", &h->plant.cpu.stuck },
		    { "restart", &h->restart },
		    { "hung", &h->hung },
		    { "down", &h->down },
		    { "commit", &k->commit_s },
		    { "commit_each", &k->commit_each_s },
		    { "cost", &k->cost_s },
		    { "filter", &k->filter_s },
		    { "think", &k->think_s },
		    { "lookup", &k->lookup_s },
		    { "lookup_share", &k->lookup_share },
		    { "stalled", &k->stalled },
		    { "check", &k->check_s },
		    { "slots", &k->slots },
		    { "memory", &k->memory_bytes },
		    { "session_memory", &k->session_bytes },
		    { "slow_share", &k->slow_share },
		    { "loss", &h->sense.config.loss },
		    { "noise", &h->sense.config.noise },
		    { "delay", &h->sense.config.delay_s } };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (strcmp(all[i].name, name) == 0)
			return all[i].value;
	return NULL;
}

static double *variable(struct run *r, const char *name)
{
	if (strcmp(name, "offered") == 0)
		return &r->offered;
	if (strcmp(name, "store") == 0)
		return &r->store;
	if (strcmp(name, "steering") == 0)
		return &r->steering;
	if (strncmp(name, "share.", 6) == 0)
		for (unsigned i = 0; i < r->senders.groups; i++)
			if (strcmp(r->senders.group[i].name, name + 6) == 0)
				return &r->senders.group[i].share;
	return NULL;
}

/* ---- expectations --------------------------------------------------------------------------- */

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
			{ "filtered", offsetof(struct measure_tick, filtered), 10 },
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

static double level_changes(const struct host *h)
{
	double changes = 0;

	for (int i = 0; i < LEVEL__COUNT; i++)
		changes += (double)h->law.engine.view.level.changes[i];
	return changes;
}

/* The value of one host, or the sum over several. A value that cannot be summed is that of the
 * first. */
static int measure_hosts(const struct run *r, const char *name, unsigned from, unsigned to,
			 double *ret)
{
	const struct host *first = &r->host[from];
	double sum = 0;

	for (unsigned i = from; i < to; i++) {
		const struct host *h = &r->host[i];
		const struct plant *p = &h->plant;
		const struct {
			const char *name;
			double value;
		} sums[] = { { "oom_kills", (double)p->oom_kills },
			     { "dropped", (double)p->dropped },
			     { "filter_queue", p->filter_queue },
			     { "refused_total", (double)p->counts.deferred },
			     { "admitted_total", (double)p->counts.admitted },
			     { "would_defer", (double)p->counts.would_defer },
			     { "level_changes", level_changes(h) } };
		size_t n = 0;

		while (n < ARRAY_SIZE(sums) && strcmp(sums[n].name, name) != 0)
			n++;
		if (n < ARRAY_SIZE(sums))
			sum += sums[n].value;
		else if (strcmp(name, "level") == 0)
			sum = first->law.engine.view.level.number;
		else if (strcmp(name, "state") == 0)
			sum = first->law.engine.view.state;
		else if (strcmp(name, "foreign") == 0)
			sum = first->law.engine.view.foreign;
		else if (strcmp(name, "memory_ends") == 0)
			sum = first->law.memory_ends_s;
		else
			return -ENOENT;
	}
	*ret = sum;
	return 0;
}

static int measure_of(struct run *r, const struct script_event *e, double *ret)
{
	struct counts_service c;
	unsigned from, to;
	const char *name = host_of(e->name, &from, &to, r);

	if (from >= to)
		return -ENOENT;
	if (measure_tick_mean(r, e, ret) == 0 || measure_hosts(r, name, from, to, ret) == 0)
		return 0;
	if (strcmp(e->name, "waiting_mail") == 0) {
		*ret = r->senders.waiting;
		return 0;
	}
	run_counts(r, &c);
	for (int i = 0; i < REASON__COUNT; i++)
		if (strncmp(e->name, "reason.", 7) == 0 &&
		    strcmp(reason_name((enum reason)i), e->name + 7) == 0) {
			*ret = (double)c.deferred_by[i];
			return 0;
		}
	if (strcmp(e->name, "latency_worst") == 0)
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

/* ---- changes -------------------------------------------------------------------------------- */

static void order(struct host *h, const char *name)
{
	struct engine *engine = &h->law.engine;
	enum trace_order_kind kind = TRACE_ORDER_STATE;

	if (strcmp(name, "drain") == 0) {
		engine_order(engine, STATE_DRAINING, 0, "scenario");
	} else if (strcmp(name, "resume") == 0) {
		engine_order(engine, STATE_SERVING, 0, NULL);
	} else {
		engine_set_mode(engine, strcmp(name, "observe") == 0 ? PLAN_OBSERVE : PLAN_ENFORCE);
		kind = TRACE_ORDER_MODE;
	}
	record_order(h->law.record, engine, kind, h->run->now_us);
}

static void unknown(struct run *r, struct script_event *e)
{
	fprintf(stderr, "line %u: there is nothing called %s to set\n", e->line, e->name);
	r->failed++;
	e->done = true;
}

static void change(struct run *r, struct script_event *e, double now_s)
{
	unsigned from, to;
	const char *name = host_of(e->name, &from, &to, r);
	double *v = variable(r, name), share, value;
	bool is_shared = v != NULL;

	if (!v && from < to)
		v = host_variable(&r->host[from], name);
	if (!v) {
		unknown(r, e);
		return;
	}
	if (!e->begun)
		e->from = *v;
	e->begun = true;
	share = e->kind == SCRIPT_RAMP && e->over_s > 0 ? fmin(1, (now_s - e->at_s) / e->over_s)
							: 1;
	value = e->from + (e->value - e->from) * share;
	*v = value;
	for (unsigned i = from; i < to; i++) {
		if (!is_shared)
			*host_variable(&r->host[i], name) = value;
		r->host[i].plant.now_us = r->now_us;
		plant_changed(&r->host[i].plant, r->now_us);
	}
	e->done = share >= 1;
	senders_weigh(&r->senders);
	r->next_arrival_us = 0;
}

/* Sets a signal or gives an order, for one host or for all. */
static void tell(struct run *r, struct script_event *e)
{
	unsigned from, to;
	const char *name = host_of(e->name, &from, &to, r);
	enum signal s = signal_by_name(name);

	if (from >= to) {
		unknown(r, e);
		return;
	}
	for (unsigned i = from; i < to; i++) {
		if (e->kind == SCRIPT_ORDER) {
			order(&r->host[i], name);
			continue;
		}
		r->host[i].sense.set[s] = true;
		r->host[i].sense.value[s] = e->value;
	}
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
		if (e->kind == SCRIPT_EXPECT)
			expect(r, e);
		else
			tell(r, e);
	}
}
