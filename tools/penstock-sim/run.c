#include "penstock-sim/run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/engine_config.h"
#include "core/smooth.h"
#include "core/splitmix.h"
#include "penstock-sim/grow.h"
#include "penstock-sim/record.h"

/* As the daemon is without a configuration file. */
static void configure(const struct scenario *s, struct engine_config *ret)
{
	struct config *config = grow_zeroed(1, sizeof(*config));

	config_defaults(config);
	engine_config_from(config, s->plant.machine_cores, ret);
	if (s->slots_known > 0)
		ret->window.most = (uint32_t)(0.95 * s->slots_known);
	ret->window.without = s->without;
	free(config);
}

/* The overload as the scenario names it, or from the first change of what is offered to above the capacity to the next one. */
static void find_overload(struct run *r)
{
	const struct scenario *s = &r->scenario;
	double capacity = plant_capacity(&r->plant);

	r->measure.lag_s = (uint32_t)fmax(1, plant_session_s(&r->plant) + 0.5);
	r->measure.from_s = s->overload_from_s;
	r->measure.to_s = s->overload_to_s;
	if (s->overload_to_s > 0)
		return;
	for (unsigned i = 0; i < s->events; i++) {
		const struct script_event *e = &s->event[i];

		if (strcmp(e->name, "offered") != 0 || e->kind == SCRIPT_EXPECT)
			continue;
		if (r->measure.to_s == 0 && e->value > capacity) {
			r->measure.from_s = e->at_s;
			r->measure.to_s = s->end_s;
		} else if (r->measure.to_s == s->end_s && e->value <= capacity) {
			r->measure.to_s = e->at_s;
		}
	}
}

bool run_overloaded(const struct run *r)
{
	double now = run_time_s(r);

	return now >= r->measure.from_s && now < r->measure.to_s;
}

void run_init(struct run *r, const struct scenario *scenario, enum law_kind law, uint64_t seed,
	      bool trace)
{
	struct engine_config config;
	uint32_t seconds = (uint32_t)scenario->end_s + 2;

	memset(r, 0, sizeof(*r));
	r->scenario = *scenario;
	r->seed = seed;
	r->trace = trace;
	r->random = seed ^ UINT64_C(0xa221fe);
	configure(scenario, &config);
	queue_init(&r->queue, seconds);
	plant_init(&r->plant, &scenario->plant, &r->queue, seed);
	r->plant.ended = traffic_ended;
	r->plant.who = r;
	sense_init(&r->sense, &scenario->sense, seed);
	senders_init(&r->senders, scenario->group, scenario->groups, seed);
	law_init(&r->law, law, &scenario->params, &config, &r->senders, seed);
	measure_init(&r->measure, seconds);
	find_overload(r);
}

void run_done(struct run *r)
{
	queue_done(&r->queue);
	plant_done(&r->plant);
	senders_done(&r->senders);
	measure_done(&r->measure);
	law_done(&r->law);
}

/* The next new message: gaps of a Poisson process have no memory, so a change of rate begins a new one. */
static void plan_arrival(struct run *r)
{
	r->next_arrival_us = UINT64_MAX;
	if (r->offered > 0)
		r->next_arrival_us =
			r->now_us +
			(uint64_t)(-log(1 - splitmix_unit(&r->random)) / r->offered * 1e6) + 1;
}

static void show(const struct run *r, const struct measure_tick *row)
{
	const struct window_view *v = &r->law.engine.view.window[0];

	printf("%7.1f offered %6.0f completed %4.0f refused %5.0f a tick, window %5.0f in flight %5.0f T %.3f (%.3f) base %.3f Z %.3f Xcap "
	       "%5.0f sat %.2f p %.2f level %d waiting %u\n",
	       run_time_s(r), r->offered, row->completed, row->refused, row->window, row->in_flight,
	       v->server_time_s, v->target_time_s, r->law.engine.window[0].time_base,
	       v->think_time_s, row->capacity, v->saturation, row->pressure,
	       r->law.engine.view.level.number, r->senders.waiting);
	if (r->law.sources && r->senders.groups) {
		struct source_stats s;

		source_stats(r->law.sources, &s);
		printf("        sources active %.0f waiting %llu fair %.4f cost %.4f credits %.0f offered %.0f due %.1f new %.1f, cut-offs "
		       "%u %u %u of 65535, broken %llu of %llu\n",
		       s.active, (unsigned long long)s.waiting, s.fair_rate, s.session_cost_s,
		       s.credits_per_s, s.offered_per_s, s.due_per_s, s.new_per_s,
		       s.cutoff[0] >> 16, s.cutoff[1] >> 16, s.cutoff[2] >> 16,
		       (unsigned long long)s.broken, (unsigned long long)s.promised);
	}
}

static void note(struct run *r)
{
	struct measure *m = &r->measure;
	const struct engine_view *v = &r->law.engine.view;
	struct measure_tick *row = &m->tick[m->ticks % MEASURE_TICKS];
	struct measure_second *second = measure_at(m, r->now_us);
	uint64_t at = r->now_us / 1000000;

	*row = (struct measure_tick){
		.completed = (double)(r->plant.counts.completed - r->completed_before),
		.in_time = (double)(r->plant.in_time - r->in_time_before),
		.refused = (double)(r->plant.counts.deferred - r->refused_before),
		.window = v->window[0].window,
		.in_flight = r->plant.in_flight,
		.pressure = v->pressure.combined,
		.capacity = v->window[0].capacity_per_s,
		.latency = r->plant.latency_worst_s,
		.waiting_s = plant_oldest_waiting_s(&r->plant)
	};
	r->plant.latency_worst_s = 0;
	r->completed_before = r->plant.counts.completed;
	r->in_time_before = r->plant.in_time;
	r->refused_before = r->plant.counts.deferred;
	second->completed += (uint32_t)row->completed;
	second->good += (uint32_t)(r->plant.good - r->good_before);
	r->good_before = r->plant.good;
	second->window = (float)row->window;
	second->in_flight = (float)row->in_flight;
	second->pressure = (float)row->pressure;
	second->level = (uint8_t)v->level.number;
	if (at < m->seconds)
		m->capacity[at] = plant_capacity(&r->plant);
	if (run_time_s(r) < m->from_s + 0.05)
		memcpy(m->banner_before, r->plant.counts.connect_220, sizeof(m->banner_before));
	if (run_time_s(r) < m->to_s + 0.05)
		memcpy(m->banner_after, r->plant.counts.connect_220, sizeof(m->banner_after));
	m->ticks++;
	if (r->trace && m->ticks % 5 == 0)
		show(r, row);
}

/* The daemon is restarted: what it had learned is lost, or is given back to it. */
static void restart(struct run *r)
{
	struct engine_config config;
	bool warm = r->restart > 1 && r->law.params.warm > 0;
	struct engine_warm kept;

	configure(&r->scenario, &config);
	engine_save(&r->law.engine, &kept);
	if (r->law.kind == SIM_SERVO)
		config.window.law = LAW_SERVO;
	engine_init(&r->law.engine, &config, r->seed);
	if (warm)
		engine_restore(&r->law.engine, &kept);
	memset(&r->law.plan, 0, sizeof(r->law.plan));
	record_restart(r->law.record);
	r->restart = 0;
}

static void tick(struct run *r)
{
	struct sample sample;
	struct load load;
	uint64_t late_us = 0, refused = r->plant.counts.deferred;

	r->plant.now_us = r->now_us;
	script_step(r);
	if (r->restart > 0)
		restart(r);
	if (r->next_arrival_us == 0 || r->next_arrival_us == UINT64_MAX)
		plan_arrival(r);
	if (r->law.kind == SIM_PENSTOCK && r->law.plan.mode == PLAN_ENFORCE && !r->scenario.gate)
		late_us = r->law.plan.service[0].late_us;
	smooth_step(&r->rejects_per_s, (double)(refused - r->refused_before) * 10, 1, 3);
	plant_tick(&r->plant, late_us, r->rejects_per_s);
	sense_observe(&r->sense, &r->plant, &sample, &load);
	if (r->hung <= 0)
		law_tick(&r->law, &r->plant, &sample, &load);
	else if (r->law.params.staleness <= 0)
		r->law.plan.heartbeat_us = r->now_us;
	note(r);
}

static void take_event(struct run *r)
{
	struct queue_event e;

	if (!queue_take(&r->queue, &e))
		return;
	if (e.kind == RUN_RETRY)
		traffic_retry(r, e.id);
	else if (e.kind == RUN_OPEN) {
		r->under_way--;
		traffic_open(r, e.id);
	} else
		plant_event(&r->plant, &e);
}

void run_all(struct run *r)
{
	uint64_t next_tick_us = RUN_BEGIN_US;
	uint64_t end_us = RUN_BEGIN_US + (uint64_t)(r->scenario.end_s * 1e6);

	r->now_us = RUN_BEGIN_US;
	while (r->now_us <= end_us) {
		uint64_t event_us = queue_next_us(&r->queue), cpu_us = plant_next_us(&r->plant);
		uint64_t now = event_us < cpu_us ? event_us : cpu_us;

		r->events++;
		if (r->next_arrival_us && r->next_arrival_us < now)
			now = r->next_arrival_us;
		if (next_tick_us <= now) {
			r->now_us = next_tick_us;
			if (r->now_us > end_us)
				break;
			tick(r);
			next_tick_us += RUN_TICK_US;
			continue;
		}
		r->now_us = r->plant.now_us = now;
		if (now == cpu_us) {
			plant_run_cpu(&r->plant);
		} else if (now == event_us) {
			take_event(r);
		} else {
			traffic_arrive(r);
			plan_arrival(r);
		}
	}
}
