/* A world for tests of the table of sources, in virtual time: one service, a table, a plan. */
#ifndef PENSTOCK_TESTS_SOURCE_WORLD_H
#define PENSTOCK_TESTS_SOURCE_WORLD_H

#include "cmocka_test.h"

#include "core/source.h"

#define SESSION_TICKS 10

struct world {
	struct source_config config;
	struct source_table *table;
	struct plan plan;
	struct source_input input;
	uint64_t now_us;
	int64_t wall_us; /* what the wall clock was set by */
	/* of a server that serves each session for a second, behind a window of 100 */
	unsigned in_flight;
	unsigned ends[SESSION_TICKS]; /* of them, a ring */
};

#define SECOND UINT64_C(1000000)
#define EPOCH UINT64_C(1800000000) /* s: when CLOCK_MONOTONIC was 0 */

static inline void begin(struct world *w)
{
	const uint64_t seed[2] = { 0x1234567890abcdef, 42 };
	void *block = NULL;

	memset(w, 0, sizeof(*w));
	w->config = (struct source_config){ .ledger_bytes = 4 << 20,
					    .rate_bytes = 1 << 20,
					    .cores = 1,
					    .longest_deferral_s = 7200,
					    .longest_attempts = 3,
					    .proper_s = 120 };
	assert_int_equal(posix_memalign(&block, 64, source_size(&w->config)), 0);
	w->table = source_init(block, &w->config, seed);
	w->plan = (struct plan){
		.magic = PLAN_MAGIC, .version = PLAN_VERSION, .services = 1, .salt = 7
	};
	w->now_us = 1000 * SECOND;
	w->input.service[0] = (struct source_load){ .capacity_per_s = 100,
						    .admitted_per_s = 100,
						    .in_flight = 0,
						    .window = 100,
						    .most = -1 };
}

static inline void end(struct world *w)
{
	free(w->table);
}

static inline void step(struct world *w, uint64_t us)
{
	for (uint64_t n = w->now_us / (SECOND / 10); n < (w->now_us + us) / (SECOND / 10); n++) {
		w->in_flight -= w->ends[(n + 1) % SESSION_TICKS];
		w->ends[(n + 1) % SESSION_TICKS] = 0;
	}
	w->now_us += us;
	w->input.service[0].in_flight = w->in_flight;
	w->input.now_us = w->now_us;
	w->input.realtime_us = EPOCH * SECOND + w->now_us + (uint64_t)w->wall_us;
	w->plan.heartbeat_us = w->now_us;
	w->plan.epoch = w->now_us / (60 * SECOND);
	w->plan.salt = w->plan.epoch * UINT64_C(0x9e3779b97f4a7c15) + 1;
	for (int b = 0; b < PLAN_BANDS; b++)
		w->plan.service[0].cutoff[b] = 0;
	source_plan(w->table, &w->input, &w->plan);
}

static inline void pass(struct world *w, unsigned seconds)
{
	for (unsigned i = 0; i < seconds; i++)
		step(w, SECOND);
}

static inline struct source_event event_of(uint32_t address, enum source_event_kind kind)
{
	struct source_event e = { .kind = (uint8_t)kind };

	e.address[10] = e.address[11] = 0xff;
	e.address[12] = (uint8_t)(address >> 24);
	e.address[13] = (uint8_t)(address >> 16);
	e.address[14] = (uint8_t)(address >> 8);
	e.address[15] = (uint8_t)address;
	return e;
}

/* A session of this address ended, and had done a job. */
static inline void finish(struct world *w, uint32_t address)
{
	struct source_event e = event_of(address, SOURCE_FINISHED);

	e.turns = SOURCE_JOB_TURNS;
	sources_note(w->table, &e, 1, w->now_us);
}

/* One verdict as a front would give it, noted. If it admits, the session does a job. */
static inline struct verdict ask_event(struct world *w, struct source_event e)
{
	struct plan_request request = { .now_us = w->now_us,
					.in_flight = w->in_flight,
					.tokens_milli = PLAN_UNLIMITED };
	struct plan_source source;
	struct verdict v;

	w->plan.service[0].window = 100;
	w->plan.service[0].ungreeted_max = w->plan.service[0].rate_milli = PLAN_UNLIMITED;
	source_lookup(w->table, e.address, w->now_us, &source);
	plan_rank(&w->plan, &source, &request);
	v = plan_decide(&w->plan, &request);
	e.admitted = v.admit;
	e.reason = v.reason;
	e.limit = v.limit;
	sources_note(w->table, &e, 1, w->now_us);
	if (v.admit) {
		e.kind = SOURCE_FINISHED;
		e.turns = SOURCE_JOB_TURNS;
		sources_note(w->table, &e, 1, w->now_us);
		w->in_flight++;
		w->ends[w->now_us / (SECOND / 10) % SESSION_TICKS]++;
	}
	return v;
}

static inline struct verdict ask(struct world *w, uint32_t address)
{
	return ask_event(w, event_of(address, SOURCE_ATTEMPT));
}

static inline void note(struct world *w, uint32_t address, bool admitted)
{
	struct source_event e = event_of(address, SOURCE_ATTEMPT);

	e.admitted = admitted;
	e.limit = admitted ? LIMIT_NONE : LIMIT_CUTOFF;
	e.reason = admitted ? REASON_NONE : REASON_SOURCE;
	sources_note(w->table, &e, 1, w->now_us);
	if (admitted)
		finish(w, address);
}

static inline struct source_view view_of(struct world *w, uint32_t address)
{
	struct source_event e = event_of(address, SOURCE_ATTEMPT);
	struct source_view v;

	source_explain(w->table, e.address, w->now_us, &v);
	return v;
}

/* ---- the ledger ----------------------------------------------------------------------------- */

#endif
