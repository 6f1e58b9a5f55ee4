#include "penstock-sim/law.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/sources_input.h"
#include "core/splitmix.h"
#include "penstock-sim/grow.h"
#include "penstock-sim/record.h"

static const char *const names[SIM__COUNT] = { "penstock", "servo",	"none",	     "slots",
					       "aimd",	   "pie",	"gradient2", "seda",
					       "loadavg",  "eventloop", "memory" };

const char *law_name(enum law_kind kind)
{
	return kind < SIM__COUNT ? names[kind] : "unknown";
}

enum law_kind law_by_name(const char *name)
{
	for (int i = 0; i < SIM__COUNT; i++)
		if (strcmp(name, names[i]) == 0)
			return (enum law_kind)i;
	return SIM__COUNT;
}

void law_params_default(struct law_params *ret)
{
	*ret = (struct law_params){ .slots = 100,
				    .target_s = 0.5,
				    .loadavg = 5,
				    .lag_s = 0.07,
				    .memory = 0.75,
				    .sources = 1,
				    .ledger_bytes = 16 << 20,
				    .rate_bytes = 8 << 20,
				    .warm = 1,
				    .staleness = 1,
				    .longest_deferral_s = 7200,
				    .longest_attempts = 3 };
}

/* As in penstock-proxy: the limit of the room, and objective.wait. */
#define HELD_MAX 10000u
#define LONGEST_US 5000000u

/* The table of sources takes 24 MB, and is read at random. With huge pages, where the kernel has
 * some, a run begins 0.1 s sooner. */
#define HUGE_PAGE ((size_t)2 << 20)

static void address_of(uint32_t ipv4, uint8_t *ret)
{
	memset(ret, 0, 10);
	ret[10] = ret[11] = 0xff;
	for (int i = 0; i < 4; i++)
		ret[12 + i] = (uint8_t)(ipv4 >> (24 - 8 * i));
}

/* The pool that an operator would configure for a large provider: its networks, and when its
 * senders give up. */
static void name_pool(struct source_config *config, const struct senders *senders, unsigned group)
{
	const struct sender_group *g = &senders->group[group];
	struct source_pool *pool = &config->pool[config->pools];

	snprintf(pool->name, sizeof(pool->name), "%s", g->name);
	pool->weight = (uint32_t)g->pool;
	pool->patience_s = (uint32_t)retry_patience_s(g->retry);
	for (uint32_t i = 0; i < (uint32_t)g->count && config->networks < SOURCE_NETWORKS; i++) {
		struct source_network *n = &config->network[config->networks++];

		address_of(senders_network(senders, group, i), n->address);
		n->bits = 120;
		n->pool = (uint8_t)config->pools;
	}
	config->pools++;
}

static void make_sources(struct law *l, double cores, const struct senders *senders, uint64_t seed)
{
	struct source_config *config = grow_zeroed(1, sizeof(*config));
	uint64_t keys[2] = { seed, ~seed };
	size_t size;
	void *block;

	config->ledger_bytes = (uint64_t)l->params.ledger_bytes;
	config->rate_bytes = (uint64_t)l->params.rate_bytes;
	config->cores = cores;
	config->longest_deferral_s = (uint32_t)l->params.longest_deferral_s;
	config->longest_attempts = (uint32_t)l->params.longest_attempts;
	config->proper_s = 120;
	for (unsigned i = 0; i < senders->groups && config->pools < SOURCE_POOLS; i++)
		if (senders->group[i].pool > 0)
			name_pool(config, senders, i);
	size = (source_size(config) + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
	block = aligned_alloc(HUGE_PAGE, size);
	if (!block)
		abort();
	madvise(block, size, MADV_HUGEPAGE);
	l->sources = source_init(block, config, keys);
	free(config);
}

void law_done(struct law *l)
{
	free(l->sources);
	free(l->event);
}

void law_init(struct law *l, enum law_kind kind, const struct law_params *params,
	      const struct engine_config *config, const struct senders *senders, uint64_t seed)
{
	struct engine_config own = *config;

	memset(l, 0, sizeof(*l));
	l->kind = kind;
	l->random = seed ^ UINT64_C(0x1a3);
	law_params_default(&l->params);
	if (params)
		l->params = *params;
	if (kind == SIM_SERVO)
		own.window.law = LAW_SERVO;
	engine_init(&l->engine, &own, seed);
	peer_init(&l->peer, &l->params, NULL);
	room_debts_init(&l->debts, seed);
	if (l->params.sources > 0 && (kind == SIM_PENSTOCK || kind == SIM_SERVO))
		make_sources(l, config->cores, senders, seed);
}

static struct source_event *new_event(struct law *l, uint32_t address)
{
	struct source_event *e;

	l->event = grow(l->event, &l->event_room, l->events + 1, sizeof(*l->event));
	e = &l->event[l->events++];
	memset(e, 0, sizeof(*e));
	address_of(address, e->address);
	return e;
}

void law_tell(struct law *l, uint32_t address, enum source_event_kind kind, uint32_t server_us)
{
	struct source_event *e;

	if (!l->sources)
		return;
	e = new_event(l, address);
	e->kind = (uint8_t)kind;
	e->server_us = server_us;
	e->turns = SOURCE_JOB_TURNS;
}

/* Adds the rank to the request, before the verdict. */
static void rank(struct law *l, struct law_request *q, struct plan_request *request)
{
	uint8_t address[16];

	if (!l->sources || !q->ranked)
		return;
	if (!q->looked_up) {
		address_of(q->address, address);
		source_lookup(l->sources, address, q->now_us, &q->source);
		q->looked_up = true;
	}
	plan_rank(&l->plan, &q->source, request);
}

static void note_verdict(struct law *l, const struct law_request *q, struct verdict v)
{
	struct source_event *e;

	if (!l->sources || !q->ranked)
		return;
	e = new_event(l, q->address);
	e->kind = SOURCE_ATTEMPT;
	e->admitted = v.admit;
	e->reason = v.reason;
	e->limit = v.limit;
}

static struct verdict ask_penstock(struct law *l, const struct plant *p, struct law_request *q)
{
	const struct plan_service *service = &l->plan.service[0];
	struct plan_request request = { .now_us = q->now_us,
					.in_flight = plant_in_flight(p) + q->under_way,
					.ungreeted = plant_ungreeted(p),
					.score = PLAN_UNLIMITED,
					.tokens_milli = plan_bucket_refill(&l->bucket, service,
									   q->now_us) };
	struct verdict v;

	if (!q->held)
		rank(l, q, &request);
	v = plan_decide(&l->plan, &request);
	return v;
}

static uint64_t group_of(uint32_t address)
{
	uint8_t bytes[16];

	address_of(address, bytes);
	return plan_group(bytes);
}

/* The number of waiting connections of that address. Addresses that share a counter are rare and do
 * no harm. */
static uint32_t *held_by(struct law *l, uint32_t address)
{
	uint64_t x = address;

	return &l->held_by[splitmix_next(&x) % LAW_HELD_BY];
}

void law_held(struct law *l, uint32_t address, int change)
{
	*held_by(l, address) += (uint32_t)change;
}

struct room_terms law_terms(const struct law *l)
{
	const struct plan_service *service = &l->plan.service[0];

	return (struct room_terms){ .hold_us = service->hold_us,
				    .longest_us = LONGEST_US,
				    .pass_milli = service->pass_milli,
				    .most = HELD_MAX };
}

bool law_may_wait(struct law *l, struct law_request *q, struct verdict v, struct room_offer *ret)
{
	struct plan_request request = { .score = PLAN_UNLIMITED };

	if (l->kind != SIM_PENSTOCK || !plan_may_wait(v))
		return false;
	rank(l, q, &request);
	*ret = (struct room_offer){ .now_us = q->now_us,
				    .order = room_order((uint16_t)(request.score >> 16),
							q->ranked ? *held_by(l, q->address) : 0),
				    .terms = law_terms(l) };
	if (q->ranked && request.heavy == PLAN_HEAVY_NO &&
	    room_owes(&l->debts, group_of(q->address), q->now_us))
		ret->order = ROOM_OWED;
	return true;
}

void law_owe(struct law *l, uint32_t address, uint64_t now_us)
{
	room_owe(&l->debts, group_of(address), now_us);
}

void law_owe_told(struct law *l, uint32_t address, uint64_t now_us)
{
	room_owe_told(&l->debts, group_of(address), now_us);
}

void law_unowe(struct law *l, uint32_t address, uint64_t now_us)
{
	room_settle(&l->debts, group_of(address), now_us);
}

struct verdict law_in_vain(const struct law *l)
{
	return plan_in_vain(&l->plan.service[0]);
}

void law_settle(struct law *l, const struct law_request *q, struct verdict v)
{
	if (l->kind != SIM_PENSTOCK && l->kind != SIM_SERVO)
		return;
	note_verdict(l, q, v);
	if (v.admit && !v.would_defer)
		plan_bucket_take(&l->bucket);
	if (v.admit && q->ranked && !q->owed)
		room_settle(&l->debts, group_of(q->address), q->now_us);
}

struct verdict law_decide(struct law *l, const struct plant *p, struct law_request *q)
{
	if (l->kind == SIM_PENSTOCK || l->kind == SIM_SERVO)
		return ask_penstock(l, p, q);
	return peer_decide(l, p, q->now_us);
}

static void note_sources(struct law *l, uint64_t now_us)
{
	sources_note(l->sources, l->event, l->events, now_us);
	record_events(l->record, l->event, l->events, now_us);
	if (l->on_events)
		l->on_events(l->context, l->event, l->events, now_us);
	l->events = 0;
}

static void step_sources(struct law *l, const struct load *load, uint64_t now_us)
{
	struct source_input in;

	source_input_from(&l->engine, load, now_us, l->epoch_us + now_us, &in);
	source_plan(l->sources, &in, &l->plan);
}

void law_tick(struct law *l, const struct plant *p, struct sample *sample, const struct load *load)
{
	if (l->sources)
		note_sources(l, sample->now_us);
	record_inputs(l->record, &l->engine, sample, load);
	engine_step(&l->engine, sample, load, sample->now_us, &l->plan);
	l->memory_ends_s = sample_get(sample, SIGNAL_MEM_EXHAUSTION_S, -1);
	if (l->sources)
		step_sources(l, load, sample->now_us);
	record_answer(l->record, &l->engine, &l->plan, l->sources != NULL);
	if (l->kind != SIM_PENSTOCK && l->kind != SIM_SERVO)
		peer_tick(l, p);
}
