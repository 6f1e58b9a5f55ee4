#include "core/cpu_limiter.h"

void cpu_limiter_init(struct cpu_limiter *e, double share, uint64_t now_us, uint64_t cpu_us)
{
	e->share = share;
	e->window_us = e->since_us = now_us;
	e->cpu_us = cpu_us;
	e->used = 0;
	e->form = REPLY_FULL;
	e->crowded = 0;
}

static void enter(struct cpu_limiter *e, enum reply_form form, uint64_t now_us)
{
	e->form = (uint8_t)form;
	e->since_us = now_us;
}

/* One crowded window may be a burst, which the accept queue is there for; two in a row are not. */
static void begin_window(struct cpu_limiter *e, uint64_t now_us, double crowd)
{
	int dwelt = now_us >= e->since_us + LIMITER_DWELL_US;

	if (crowd < LIMITER_CROWD)
		e->crowded = 0;
	else if (e->crowded < 2)
		e->crowded++;
	if (e->crowded == 2 && e->form != REPLY_BYPASS)
		enter(e, REPLY_BYPASS, now_us);
	else if (e->form == REPLY_BYPASS && dwelt && crowd < LIMITER_CROWD / 4)
		enter(e, REPLY_SHORT, now_us);
	else if (e->form == REPLY_SHORT && dwelt && e->used < e->share * LIMITER_CHEAP / 2)
		enter(e, REPLY_FULL, now_us);
}

uint64_t cpu_limiter_step(struct cpu_limiter *e, uint64_t now_us, uint64_t cpu_us, double crowd)
{
	uint64_t spent = cpu_us > e->cpu_us ? cpu_us - e->cpu_us : 0, budget, end;

	if (now_us >= e->window_us + LIMITER_WINDOW_US) {
		e->used = (double)spent / (double)(now_us - e->window_us);
		e->window_us = now_us;
		e->cpu_us = cpu_us;
		begin_window(e, now_us, crowd);
		return 0;
	}
	if (e->share >= 1) /* a whole CPU: no limit */
		return 0;
	budget = (uint64_t)(e->share * (double)LIMITER_WINDOW_US);
	if (e->form == REPLY_FULL && (double)spent >= LIMITER_CHEAP * (double)budget)
		enter(e, REPLY_SHORT, now_us);
	else if (e->form == REPLY_SHORT && (double)spent >= LIMITER_CHEAP * (double)budget)
		e->since_us = now_us; /* still busy: stay with the short reply */
	end = e->window_us + LIMITER_WINDOW_US;
	return spent >= budget ? end - now_us : 0;
}
