/* A server of 30 messages a second, and the engine that decides for it, in virtual time; what its
 * clients were told. */
#ifndef PENSTOCK_TEST_TRUTH_WORLD_H
#define PENSTOCK_TEST_TRUTH_WORLD_H

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/engine.h"
#include "publish/lately.h"
#include "publish/status.h"

#define SECOND UINT64_C(1000000)
#define TICKS 10 /* a second */
#define LATELY 10 /* seconds within which everything follows */
#define SERVED_PER_S 30.0

struct told {
	unsigned offered, deferred;
};

static struct world {
	struct engine engine;
	struct engine_config config;
	struct load load;
	struct plan plan;
	struct plan_bucket bucket;
	struct status status;
	uint64_t now_us;
	double owed, done, stall; /* stall: of the CPU, by another program */
	double slow_s; /* each session takes so long without any load; 0: none does */
	unsigned busy;
	struct told told[LATELY]; /* of the last seconds */
	struct counts_service total;
	struct lately lately;
	unsigned seconds, changes;
} w;

static void put(struct sample *s, enum signal signal, double value)
{
	s->value[signal] = value;
	s->via[signal] = VIA_PSI;
}

static int setup(void **state)
{
	memset(&w, 0, sizeof(w));
	w.now_us = SECOND;
	w.config.services = 1;
	w.config.cores = 1;
	w.config.epoch_us = 60 * SECOND;
	w.config.window =
		(struct window_config){ .cores = 1, .min = 4, .banner_objective_us = 500000 };
	for (int i = 0; i < SIGNAL__COUNT; i++)
		w.config.target[i] = signal_info[i].target;
	w.config.service[0].reply_code = 451;
	engine_init(&w.engine, &w.config, 1);
	w.status.version = "test";
	w.status.config.services = 1;
	snprintf(w.status.config.service[0].name, sizeof(w.status.config.service[0].name), "mx");
	w.status.config.service[0].reply_code = 451;
	return 0;
}

static void ask(void)
{
	struct load_service *l = &w.load.service[0];
	struct plan_request request = { .now_us = w.now_us,
					.in_flight = w.busy,
					.tokens_milli = PLAN_UNLIMITED,
					.score = PLAN_UNLIMITED };
	struct verdict v;

	request.tokens_milli = plan_bucket_refill(&w.bucket, &w.plan.service[0], w.now_us);
	v = plan_decide(&w.plan, &request);
	l->offered++;
	w.total.offered++;
	w.told[0].offered++;
	if (!v.admit) {
		w.total.deferred++;
		w.total.deferred_by[v.reason]++;
		l->deferred++;
		w.told[0].deferred++;
		return;
	}
	plan_bucket_take(&w.bucket);
	l->admitted++;
	w.total.admitted++;
	l->would_defer += v.would_defer;
	w.busy++;
}

static void serve(void)
{
	struct load_service *l = &w.load.service[0];
	unsigned jobs;

	w.done += (w.slow_s > 0 ? fmin(SERVED_PER_S, w.busy / w.slow_s) : SERVED_PER_S) / TICKS;
	jobs = (unsigned)fmin(w.busy, floor(w.done));
	w.done = w.busy == jobs ? 0 : w.done - jobs;
	w.busy -= jobs;
	l->known = LOAD_IN_FLIGHT | LOAD_OFFERED | LOAD_COMPLETED | LOAD_BUSY | LOAD_UNGREETED;
	l->completed += jobs;
	l->finished += jobs;
	l->in_flight = l->busy = w.busy;
	l->busy_us += w.busy * SECOND / TICKS;
	l->server_us += jobs * (uint64_t)(fmax(1, w.busy) / SERVED_PER_S * 1e6);
	l->session_us += jobs * (uint64_t)(fmax(1, w.busy) / SERVED_PER_S * 1e6);
}

/* Of what was offered in the last seconds, the share that was deferred. */
static double told_lately(unsigned seconds)
{
	struct told sum = { 0, 0 };

	for (unsigned i = 0; i < seconds; i++) {
		sum.offered += w.told[i].offered;
		sum.deferred += w.told[i].deferred;
	}
	return sum.offered ? (double)sum.deferred / sum.offered : 0;
}

#endif
