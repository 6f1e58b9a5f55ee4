#include "front/agent_line.h"

#include <math.h>
#include <stdio.h>

/* The window that limits now; PLAN_UNLIMITED: no window does. */
static uint32_t window_of(const struct plan *plan, unsigned service, uint64_t now_us)
{
	const struct plan_service *s;

	if (!plan || !plan_is_fresh(plan, now_us) || plan->mode == PLAN_OBSERVE ||
	    plan->order == PLAN_BLIND || service >= plan->services || service >= PLAN_SERVICES)
		return PLAN_UNLIMITED;
	s = &plan->service[plan_slot(service)];
	return s->shed == PLAN_SHED_NO ? PLAN_UNLIMITED : s->window;
}

static unsigned weight_of(uint32_t window, uint64_t now_us, struct agent_memory *m)
{
	double halves =
		now_us > m->seen_us ? (double)(now_us - m->seen_us) / AGENT_HALF_LIFE_US : 0;

	m->usual = fmax(window, m->usual * exp2(-halves));
	m->seen_us = now_us;
	return (unsigned)fmax(1, fmin(100, round(200.0 * window / fmax(m->usual, 1))));
}

size_t agent_line(const struct plan *plan, const struct agent_options *o, uint64_t now_us,
		  struct agent_memory *memory, char *buf)
{
	uint32_t window = window_of(plan, o->service, now_us), most = o->connections_max;
	unsigned weight = 100;
	int n;

	if (plan && plan_is_fresh(plan, now_us) &&
	    (plan->order == PLAN_DRAIN || plan->order == PLAN_MAINTENANCE))
		return (size_t)snprintf(buf, AGENT_LINE_MAX, "up drain\n");
	if (window != PLAN_UNLIMITED) {
		weight = weight_of(window, now_us, memory);
		most = most && most < window ? most : window;
		/* For HAProxy, 0 means no limit. */
		most = most ? most : 1;
	}
	if (most)
		most = most > o->balancers ? most / o->balancers : 1;
	n = snprintf(buf, AGENT_LINE_MAX, "up ready %u%% maxconn:%u\n", weight, most);
	return (size_t)n;
}
