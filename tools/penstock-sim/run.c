#include "penstock-sim/run.h"

#include <math.h>
#include <stdlib.h>
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
		ret->window.max = (uint32_t)(0.95 * s->slots_known);
	ret->window.without = s->without;
	free(config);
}

void run_counts(const struct run *r, struct counts_service *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (unsigned i = 0; i < r->hosts; i++)
		counts_add(ret, &r->host[i].plant.counts);
}

/* Of all hosts that can be reached. */
static double capacity_of(const struct run *r)
{
	double sum = 0;

	for (unsigned i = 0; i < r->hosts; i++)
		if (r->host[i].down <= 0)
			sum += plant_capacity(&r->host[i].plant);
	return sum;
}

/* The overload as the scenario names it, or from the first change of the offered rate to above the
 * capacity, until the next change. */
static void find_overload(struct run *r)
{
	const struct scenario *s = &r->scenario;
	double capacity = capacity_of(r);

	r->measure.lag_s = (uint32_t)fmax(1, plant_session_s(&r->host[0].plant) + 0.5);
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

/* Each host has its own random numbers; those of the first are the same as with one host. */
static void host_init(struct run *r, unsigned index, enum law_kind law,
		      const struct engine_config *config)
{
	struct host *h = &r->host[index];
	uint64_t seed = r->seed + index * UINT64_C(0x9e3779b97f4a7c15);

	h->run = r;
	h->index = index;
	plant_init(&h->plant, &r->scenario.plant, &r->queue, seed);
	h->plant.tag = index << PLANT_TAG_SHIFT;
	h->plant.ended = traffic_ended;
	h->plant.who = h;
	room_init(&h->room, seed);
	sense_init(&h->sense, &r->scenario.sense, seed);
	law_init(&h->law, law, &r->scenario.params, config, &r->senders, seed);
	fleet_begin(h);
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
	r->store = 1;
	queue_init(&r->queue, seconds);
	senders_init(&r->senders, scenario->group, scenario->groups, seed);
	r->hosts = (unsigned)scenario->hosts;
	r->host = grow_zeroed(r->hosts, sizeof(*r->host));
	for (unsigned i = 0; i < r->hosts; i++)
		host_init(r, i, law, &config);
	measure_init(&r->measure, seconds);
	find_overload(r);
}

void run_done(struct run *r)
{
	for (unsigned i = 0; i < r->hosts; i++) {
		struct host *h = &r->host[i];

		traffic_forget_held(h);
		plant_done(&h->plant);
		law_done(&h->law);
		fleet_end(h);
	}
	free(r->host);
	queue_done(&r->queue);
	senders_done(&r->senders);
	measure_done(&r->measure);
}

/* The next new message: gaps of a Poisson process have no memory, so a change of rate begins a new
 * one. */
static void plan_arrival(struct run *r)
{
	r->next_arrival_us = UINT64_MAX;
	if (r->against && r->arrived < r->against->arrivals)
		r->next_arrival_us = RUN_BEGIN_US + r->against->arrival_us[r->arrived++];
	else if (r->offered > 0)
		r->next_arrival_us =
			r->now_us +
			(uint64_t)(-log(1 - splitmix_unit(&r->random)) / r->offered * 1e6) + 1;
}

static void show(const struct run *r, const struct measure_tick *row)
{
	const struct host *h = &r->host[0];
	const struct window_view *v = &h->law.engine.view.window[0];
	const struct plan_service *plan = &h->law.plan.service[0];

	printf("%7.1f offered %6.0f completed %4.0f refused %5.0f a tick, window %5.0f in flight %5.0f T %.3f (%.3f) base %.3f Z %.3f Xcap "
	       "%5.0f sat %.2f p %.2f level %d waiting %u held %llu of %.1f s at %.0f, %s\n",
	       run_time_s(r), r->offered, row->completed, row->refused, row->window, row->in_flight,
	       v->server_time_s, v->target_time_s, h->law.engine.window[0].unloaded.time_s,
	       v->think_time_s, row->capacity, v->saturation, row->pressure,
	       h->law.engine.view.level.number, r->senders.waiting,
	       (unsigned long long)h->plant.counts.held, plan->hold_us / 1e6,
	       plan->pass_milli / 1e3, regime_name(v->regime));
	if (h->law.sources && r->senders.groups) {
		struct source_stats s;

		source_stats(h->law.sources, &s);
		printf("        sources active %.0f waiting %llu fair %.4f cost %.4f credits %.0f offered %.0f due %.1f new %.1f, cut-offs "
		       "%u %u %u of 65535, broken %llu of %llu\n",
		       s.active, (unsigned long long)s.deferred, s.fair_rate, s.session_cost_s,
		       s.credits_per_s, s.offered_per_s, s.due_per_s, s.new_per_s,
		       s.cutoff[0] >> 16, s.cutoff[1] >> 16, s.cutoff[2] >> 16,
		       (unsigned long long)s.broken, (unsigned long long)s.promised);
	}
}

/* Adds the figures of a host in this tick to the row; -1: no host has a window. */
static void note_host(struct host *h, struct measure_tick *row, struct measure_second *second)
{
	const struct engine_view *v = &h->law.engine.view;
	struct plant *p = &h->plant;

	row->completed += (double)(p->counts.completed - h->completed_before);
	row->in_time += (double)(p->in_time - h->in_time_before);
	row->filtered += (double)(p->filtered - h->filtered_before);
	row->refused += (double)(p->counts.deferred - h->refused_before);
	row->window = h->index && row->window >= 0 && v->window[0].window >= 0
			      ? row->window + v->window[0].window
			      : v->window[0].window;
	row->in_flight += p->in_flight;
	row->pressure = h->index ? fmax(row->pressure, v->pressure.combined) : v->pressure.combined;
	row->capacity += v->window[0].capacity_per_s;
	row->latency = fmax(row->latency, p->latency_worst_s);
	row->waiting_s = fmax(row->waiting_s, plant_oldest_waiting_s(p));
	p->latency_worst_s = 0;
	h->completed_before = p->counts.completed;
	h->in_time_before = p->in_time;
	h->filtered_before = p->filtered;
	h->refused_before = p->counts.deferred;
	second->good += (uint32_t)(p->good - h->good_before);
	h->good_before = p->good;
	if (v->level.number > second->level || !h->index)
		second->level = (uint8_t)v->level.number;
}

/* The knowledge of a decider that sees all hosts. */
static void reveal(const struct run *r, struct clairvoyant_tick *future)
{
	float jobs = 0, places = 0;

	for (unsigned i = 0; i < r->hosts; i++) {
		if (r->host[i].down > 0)
			continue;
		plant_reveal(&r->host[i].plant, future);
		jobs += future->jobs;
		places += future->places;
	}
	future->jobs = jobs;
	future->places = places;
}

/* Histograms at the bounds of the overload. */
static void note_histograms(struct run *r)
{
	struct measure *m = &r->measure;
	struct counts_service sum;
	uint64_t told[COUNTS_SLOTS] = { 0 };

	if (run_time_s(r) >= fmax(m->from_s, m->to_s) + 0.05)
		return;
	run_counts(r, &sum);
	for (unsigned h = 0; h < r->hosts; h++)
		for (unsigned i = 0; i < COUNTS_SLOTS; i++)
			told[i] += r->host[h].plant.told[i];
	if (run_time_s(r) < m->from_s + 0.05) {
		memcpy(m->banner_before, sum.connect_220, sizeof(m->banner_before));
		memcpy(m->told_before, told, sizeof(m->told_before));
	}
	if (run_time_s(r) < m->to_s + 0.05) {
		memcpy(m->banner_after, sum.connect_220, sizeof(m->banner_after));
		memcpy(m->told_after, told, sizeof(m->told_after));
	}
}

static void note(struct run *r)
{
	struct measure *m = &r->measure;
	struct measure_tick *row = &m->tick[m->ticks % MEASURE_TICKS];
	struct measure_second *second = measure_at(m, r->now_us);
	struct clairvoyant_tick *future = measure_future(m, r->now_us - RUN_BEGIN_US);
	uint64_t at = r->now_us / 1000000;

	*row = (struct measure_tick){ 0 };
	for (unsigned i = 0; i < r->hosts; i++)
		note_host(&r->host[i], row, second);
	if (future) {
		reveal(r, future);
		if (!run_is_fleet(r))
			m->refused[future - m->future] = (uint32_t)row->refused;
	}
	second->completed += (uint32_t)row->completed;
	second->window = (float)row->window;
	second->in_flight = (float)row->in_flight;
	second->pressure = (float)row->pressure;
	if (at < m->seconds)
		m->capacity[at] = capacity_of(r);
	note_histograms(r);
	m->ticks++;
	if (r->trace && m->ticks % 5 == 0)
		show(r, row);
}

/* The daemon is restarted: what it had learned is lost, or is given back to it. */
static void restart(struct host *h)
{
	struct run *r = h->run;
	struct engine_config config;
	bool warm = h->restart > 1 && h->law.params.warm > 0;
	struct engine_warm kept;

	configure(&r->scenario, &config);
	engine_save(&h->law.engine, &kept);
	if (h->law.kind == SIM_SERVO)
		config.window.law = LAW_SERVO;
	engine_init(&h->law.engine, &config, r->seed);
	if (warm)
		engine_restore(&h->law.engine, &kept);
	memset(&h->law.plan, 0, sizeof(h->law.plan));
	record_restart(h->law.record);
	h->restart = 0;
}

static void tick_host(struct host *h)
{
	struct run *r = h->run;
	struct sample sample;
	struct load load;
	uint64_t greeting_timeout_us = 0, refused = h->plant.counts.deferred;

	h->plant.now_us = r->now_us;
	if (h->law.kind == SIM_PENSTOCK && h->law.plan.mode == PLAN_ENFORCE && !r->scenario.gate)
		greeting_timeout_us = h->law.plan.service[0].greeting_timeout_us;
	smooth_step(&h->rejects_per_s, (double)(refused - h->refused_before) * 10, 1, 3);
	plant_tick(&h->plant, greeting_timeout_us, h->rejects_per_s);
	sense_observe(&h->sense, &h->plant, &sample, &load);
	if (r->against && h->index == 0)
		ticks_add(r->against->simulated, &sample, &load);
	if (h->hung <= 0) {
		law_tick(&h->law, &h->plant, &sample, &load);
		if (h->elsewhere)
			fleet_shorten_wait(&h->law.plan);
	} else if (h->law.params.staleness <= 0) {
		h->law.plan.heartbeat_us = r->now_us;
	}
	traffic_let_in(h);
}

/* As many sessions as the recorded server had, or as the plant's backlog can hold. */
static void keep_in_flight(struct run *r)
{
	struct host *h = &r->host[0];
	const struct against *a = r->against;

	if (!a || a->arrivals)
		return;
	while (h->plant.in_flight < ticks_at(a->recorded, run_time_s(r))->in_flight) {
		uint32_t before = h->plant.in_flight;

		counts_verdict(&h->plant.counts, (struct verdict){ .admit = true });
		traffic_open(h, PLANT_NOBODY, 0);
		if (h->plant.in_flight <= before)
			break;
	}
}

static void follow(struct run *r)
{
	struct plant *p = &r->host[0].plant;

	if (r->scenario.shared && r->against && !r->against->arrivals) {
		p->config.cores =
			ticks_cores(r->against->recorded, run_time_s(r), r->scenario.plant.cores);
		plant_changed(p, r->now_us);
	}
	keep_in_flight(r);
}

static void tick(struct run *r)
{
	for (unsigned i = 0; i < r->hosts; i++)
		r->host[i].plant.now_us = r->now_us;
	script_step(r);
	follow(r);
	for (unsigned i = 0; i < r->hosts; i++)
		if (r->host[i].restart > 0)
			restart(&r->host[i]);
	if (r->next_arrival_us == 0 || r->next_arrival_us == UINT64_MAX)
		plan_arrival(r);
	for (unsigned i = 0; i < r->hosts; i++)
		tick_host(&r->host[i]);
	if (run_is_fleet(r) && r->measure.ticks % 10 == 0)
		fleet_exchange(r);
	note(r);
}

static void take_event(struct run *r)
{
	struct queue_event e;
	struct host *h;

	if (!queue_take(&r->queue, &e))
		return;
	h = &r->host[e.kind >> PLANT_TAG_SHIFT];
	e.kind &= PLANT_KIND;
	if (e.kind == RUN_RETRY) {
		traffic_retry(r, e.id);
	} else if (e.kind == RUN_OPEN) {
		h->under_way--;
		traffic_open(h, e.id, 0);
	} else {
		plant_event(&h->plant, &e);
	}
}

/* The host whose CPU finishes its next job first. */
static struct host *next_cpu(struct run *r)
{
	struct host *next = &r->host[0];

	for (unsigned i = 1; i < r->hosts; i++)
		if (plant_next_us(&r->host[i].plant) < plant_next_us(&next->plant))
			next = &r->host[i];
	return next;
}

/* The event may have freed places. */
static void let_in(struct run *r)
{
	for (unsigned i = 0; i < r->hosts; i++) {
		struct host *h = &r->host[i];

		if (room_first(&h->room) && h->plant.in_flight < h->in_flight_before)
			traffic_let_in(h);
	}
	keep_in_flight(r);
}

void run_all(struct run *r)
{
	uint64_t next_tick_us = RUN_BEGIN_US;
	uint64_t end_us = RUN_BEGIN_US + (uint64_t)(r->scenario.end_s * 1e6);

	r->now_us = RUN_BEGIN_US;
	while (r->now_us <= end_us) {
		struct host *busy = next_cpu(r);
		uint64_t event_us = queue_next_us(&r->queue), cpu_us = plant_next_us(&busy->plant);
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
		r->now_us = now;
		for (unsigned i = 0; i < r->hosts; i++) {
			r->host[i].plant.now_us = now;
			r->host[i].in_flight_before = r->host[i].plant.in_flight;
		}
		if (now == cpu_us) {
			plant_run_cpu(&busy->plant);
		} else if (now == event_us) {
			take_event(r);
		} else {
			traffic_arrive(r);
			plan_arrival(r);
		}
		let_in(r);
	}
}
