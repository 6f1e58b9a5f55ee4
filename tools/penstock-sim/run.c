#include "penstock-sim/run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/smooth.h"
#include "core/splitmix.h"
#include "penstock-sim/fleet.h"
#include "penstock-sim/grow.h"
#include "penstock-sim/notes.h"
#include "penstock-sim/record.h"
#include "penstock-sim/script.h"
#include "penstock-sim/traffic.h"

/* Finds the overload: as named by the scenario, or from the first change of the offered rate to
 * above the capacity until the next change. */
static void find_overload(struct run *r)
{
	const struct scenario *s = &r->scenario;
	double capacity = run_capacity(r);

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
	run_configure(scenario, &config);
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

/* Plans the next new message. The gaps of a Poisson process have no memory, so a change of the rate
 * begins a new gap. */
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

/* Restarts the daemon: it loses what it had learned, or gets it back. */
static void restart(struct host *h)
{
	struct run *r = h->run;
	struct engine_config config;
	bool warm = h->restart > 1 && h->law.params.warm > 0;
	struct engine_warm kept;

	run_configure(&r->scenario, &config);
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

/* Keeps as many sessions in flight as the recorded server had, or as the plant's backlog can
 * hold. */
static void keep_in_flight(struct run *r)
{
	struct host *h = &r->host[0];
	const struct against *a = r->against;

	if (!a || a->arrivals)
		return;
	while (h->plant.in_flight < ticks_at(a->recorded, run_time_s(r))->in_flight) {
		uint32_t before = h->plant.in_flight;

		counts_verdict(&h->plant.counts, (struct verdict){ .admit = true });
		traffic_open(h, PLANT_NO_MESSAGE, 0);
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
	notes_take(r);
}

static void take_event(struct run *r)
{
	struct queue_event e;
	struct host *h;

	if (!queue_take(&r->queue, &e))
		return;
	/* Most of the time goes into waiting for the memory of a message: ask for the next one
	 * now. */
	if (r->queue.count)
		__builtin_prefetch(&r->senders.message[r->queue.heap[0].id]);
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

/* Lets waiting clients in, because the event may have freed places. */
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
