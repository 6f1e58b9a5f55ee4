#include "penstock-sim/law.h"

#include <string.h>

#include "core/splitmix.h"

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
	*ret = (struct law_params){
		.slots = 100, .target_s = 0.5, .loadavg = 5, .lag_s = 0.07, .memory = 0.75
	};
}

void law_init(struct law *l, enum law_kind kind, const struct law_params *params,
	      const struct engine_config *config, uint64_t seed)
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
}

static struct verdict ask_penstock(struct law *l, const struct plant *p,
				   const struct law_request *q)
{
	const struct plan_service *service = &l->plan.service[0];
	struct plan_request request = { .now_us = q->now_us,
					.in_flight = p->in_flight,
					.waiting = plant_waiting(p),
					.score = PLAN_UNLIMITED,
					.tokens_milli = plan_bucket_refill(&l->bucket, service,
									   q->now_us) };
	struct verdict v = plan_decide(&l->plan, &request);

	if (v.admit && !v.would_defer)
		plan_bucket_take(&l->bucket);
	return v;
}

struct verdict law_decide(struct law *l, const struct plant *p, const struct law_request *q)
{
	if (l->kind == SIM_PENSTOCK || l->kind == SIM_SERVO)
		return ask_penstock(l, p, q);
	return peer_decide(l, p, q->now_us);
}

void law_tick(struct law *l, const struct plant *p, struct sample *sample, const struct load *load)
{
	engine_step(&l->engine, sample, load, sample->now_us, &l->plan);
	if (l->kind != SIM_PENSTOCK && l->kind != SIM_SERVO)
		peer_tick(l, p);
}
