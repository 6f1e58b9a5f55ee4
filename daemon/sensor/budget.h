/* How often a sensor is polled, from what one poll costs: a sensor may use a certain share of a
 * CPU, and one that costs more is polled less often. Pure. */
#ifndef PENSTOCK_SENSOR_BUDGET_H
#define PENSTOCK_SENSOR_BUDGET_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#define BUDGET_US_PER_S 40 /* default: .004 % of one core */
/* It is polled at least this often, whatever it costs, because the law must not use old values.
 * Status shows what a sensor costs beyond its budget. */
#define BUDGET_INTERVAL_MAX_US 1000000u
/* weight of the newest poll: one expensive poll (a cold cache, an interrupt) must not count much */
#define BUDGET_SMOOTHING 0.05

struct budget {
	double cost_us; /* of one poll, smoothed */
	uint64_t interval_us; /* between polls; 0: every tick */
	uint64_t polled_us;
};

/* Whether a poll is due. Up to half a tick early counts as due, since ticks are not exact. */
static inline bool budget_due(const struct budget *b, uint64_t interval_us, uint64_t now_us,
			      uint64_t tick_us)
{
	return b->polled_us == 0 || now_us + tick_us / 2 >= b->polled_us + interval_us;
}

/* Takes the measured cost of one poll, which stands for so many polls (>= 1). The caller sets
 * polled_us at each poll. */
static inline void budget_spent(struct budget *b, double cost_us, unsigned stands_for,
				double budget_us_per_s)
{
	double weight = BUDGET_SMOOTHING * stands_for, interval_us;

	b->cost_us = b->polled_us ? b->cost_us + (cost_us - b->cost_us) * fmin(weight, 1) : cost_us;
	interval_us = b->cost_us / budget_us_per_s * 1e6;
	b->interval_us = interval_us > BUDGET_INTERVAL_MAX_US ? BUDGET_INTERVAL_MAX_US
							      : (uint64_t)interval_us;
}

#endif
