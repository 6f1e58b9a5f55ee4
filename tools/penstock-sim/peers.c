/*
 * The laws that others use, in their authors' shape: nothing (the server's own slots), a fixed cap,
 * AIMD and PIE (RFC 8033) on the admitted share, Gradient2 (Netflix's concurrency-limits) on
 * session time, SEDA's adaptive rate, a load-average threshold (Sendmail, Exim), the lag of an
 * event loop (Haraka), a memory threshold (KumoMTA).
 */
#include <math.h>
#include <string.h>

#include "base/array.h"
#include "core/smooth.h"
#include "core/splitmix.h"
#include "penstock-sim/law.h"

#define TICK_S 0.1
#define LOADAVG_EVERY_US 5000000u
#define LAG_EVERY_US 500000u
#define SEDA_EVERY_US 1000000u
#define QUANTUM_S 0.004

void peer_init(struct peer *p, const struct law_params *params, const struct plant *plant)
{
	memset(p, 0, sizeof(*p));
	p->admitted_share = 1;
	p->limit = 20;
	p->rate_per_s = 100;
	p->tokens = 20;
}

static struct verdict answer(bool admit)
{
	struct verdict v = { admit, 0, admit ? REASON_NONE : REASON_SMTP,
			     admit ? LIMIT_NONE : LIMIT_WINDOW };

	return v;
}

static bool by_rate(struct peer *p, uint64_t now_us)
{
	p->tokens = fmin(20, p->tokens + p->rate_per_s * (double)(now_us - p->refilled_us) / 1e6);
	p->refilled_us = now_us;
	if (p->tokens < 1)
		return false;
	p->tokens--;
	return true;
}

struct verdict peer_decide(struct law *l, const struct plant *plant, uint64_t now_us)
{
	struct peer *p = &l->peer;

	switch (l->kind) {
	case SIM_SLOTS:
		return answer(plant->in_flight < l->params.slots);
	case SIM_AIMD:
	case SIM_PIE:
		return answer(splitmix_unit(&l->random) < p->admitted_share);
	case SIM_GRADIENT2:
		return answer(plant->in_flight < p->limit);
	case SIM_SEDA:
		return answer(by_rate(p, now_us));
	case SIM_LOADAVG:
	case SIM_MEMORY:
		return answer(!p->shut);
	case SIM_EVENTLOOP:
		return answer(p->lag_s <= l->params.lag_s ||
			      splitmix_unit(&l->random) >=
				      (p->lag_s - l->params.lag_s) / l->params.lag_s);
	default:
		return answer(true);
	}
}

/* Quantile of a histogram since the last call, s; below 0: no values. */
static double lately(const uint64_t *now, uint64_t *before, double q)
{
	double value = counts_quantile(now, before, q);

	memcpy(before, now, COUNTS_SLOTS * sizeof(*now));
	return value < 0 ? -1 : value / 1e6;
}

static bool every(struct peer *p, uint64_t now_us, uint64_t period_us)
{
	if (now_us - p->sampled_us < period_us)
		return false;
	p->sampled_us = now_us;
	return true;
}

/* The longest time for which the server has owed an answer: the only sign if nothing is completed
 * any more. */
static double oldest_owed(const struct plant *plant)
{
	double oldest = 0;

	for (int i = OWED_GREETING; i < OWED__COUNT; i++)
		if (plant->owed[i].first)
			oldest = fmax(oldest,
				      (double)(plant->now_us -
					       plant->session[plant->owed[i].first].owed_us) /
					      1e6);
	return oldest;
}

/* Each so often: the 90th percentile of the server's time since it was last asked for, s; below 0:
 * no values. False: not yet. */
static bool server_p90(struct peer *p, const struct plant *plant, double *ret_s)
{
	if (!every(p, plant->now_us, SEDA_EVERY_US))
		return false;
	*ret_s = lately(plant->server_time, p->server_before, .9);
	return true;
}

static void step_aimd(struct law *l, const struct plant *plant)
{
	struct peer *p = &l->peer;
	double p90;

	if (!server_p90(p, plant, &p90))
		return;
	if (p90 < 0)
		p90 = oldest_owed(plant);
	p->admitted_share =
		p90 > l->params.target_s ? 0.7 * p->admitted_share : p->admitted_share + 0.02;
	p->admitted_share = clamp_double(p->admitted_share, 0.01, 1);
}

/* RFC 8033, with its scaling of small probabilities; the queue's delay is the server's time of the
 * sessions that ended. */
static void step_pie(struct law *l, const struct plant *plant)
{
	struct peer *p = &l->peer;
	double refused = 1 - p->admitted_share, d, scale = 1;
	double left = (double)(plant->counts.finished - p->finished_before) / TICK_S;

	/* The queue over the rate at which it is served, as the RFC estimates it. */
	p->finished_before = plant->counts.finished;
	smooth_step(&p->served_per_s, left, TICK_S, 1);
	p->delay_s = plant_busy(plant) / fmax(p->served_per_s, 1);
	for (double edge = 0.1; refused < edge && edge > 1e-6; edge /= 10)
		scale /= 4;
	d = TICK_S / 0.015 * scale *
	    (0.125 * (p->delay_s - l->params.target_s / 2) +
	     1.25 * (p->delay_s - p->delay_before_s));
	refused = clamp_double(refused + fmin(d, refused >= 0.1 ? 0.02 : d), 0, 0.99);
	if (p->delay_s == 0 && p->delay_before_s == 0)
		refused *= 0.98;
	p->delay_before_s = p->delay_s;
	p->admitted_share = 1 - refused;
}

static void step_gradient2(struct law *l, const struct plant *plant)
{
	struct peer *p = &l->peer;
	double now = lately(plant->session_time, p->session_before, .5), gradient;

	if (now < 0)
		return;
	if (p->long_s == 0)
		p->long_s = now;
	smooth_step(&p->long_s, now, TICK_S, 30);
	if (p->long_s > 2 * now)
		p->long_s *= 0.95;
	if (plant->in_flight < p->limit / 2)
		return;
	gradient = clamp_double(1.5 * p->long_s / now, 0.5, 1);
	p->limit = clamp_double(0.8 * p->limit + 0.2 * (gradient * p->limit + 4), 4, 10000);
}

/* "Adaptive overload control for busy Internet servers" (USITS'03): additive up, multiplicative
 * down by the 90th percentile. */
static void step_seda(struct law *l, const struct plant *plant)
{
	struct peer *p = &l->peer;
	double p90;

	if (!server_p90(p, plant, &p90) || p90 < 0)
		return;
	p->delay_s = 0.7 * p->delay_s + 0.3 * p90;
	if (p->delay_s > l->params.target_s)
		p->rate_per_s /= 1.2;
	else if (p->delay_s < 0.9 * l->params.target_s)
		p->rate_per_s += 2;
	p->rate_per_s = clamp_double(p->rate_per_s, 0.05, 5000);
}

static void step_loadavg(struct law *l, const struct plant *plant)
{
	struct peer *p = &l->peer;
	double share = exp(-5.0 / 60),
	       n = plant->cpu.active + plant->committing_count + plant->waiting_commit_count;

	if (!every(p, plant->now_us, LOADAVG_EVERY_US))
		return;
	p->loadavg = p->loadavg * share + n * (1 - share);
	p->shut = p->loadavg > l->params.loadavg * plant->config.machine_cores;
}

static void step_eventloop(struct law *l, const struct plant *plant)
{
	struct peer *p = &l->peer;
	double lag = QUANTUM_S * fmax(0, plant->cpu.active / plant->config.machine_cores - 1);

	if (every(p, plant->now_us, LAG_EVERY_US))
		p->lag_s = (2 * p->lag_s + lag) / 3;
}

static void step_memory(struct law *l, const struct plant *plant)
{
	l->peer.shut = plant->config.memory_bytes > 0 &&
		       plant_memory(plant) > l->params.memory * plant->config.memory_bytes;
}

void peer_tick(struct law *l, const struct plant *plant)
{
	static void (*const steps[])(struct law * l, const struct plant *plant) = {
		[SIM_AIMD] = step_aimd,		  [SIM_PIE] = step_pie,
		[SIM_GRADIENT2] = step_gradient2, [SIM_SEDA] = step_seda,
		[SIM_LOADAVG] = step_loadavg,	  [SIM_EVENTLOOP] = step_eventloop,
		[SIM_MEMORY] = step_memory,
	};

	if ((size_t)l->kind < ARRAY_SIZE(steps) && steps[l->kind])
		steps[l->kind](l, plant);
}
