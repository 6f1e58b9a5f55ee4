#include "core/effort.h"

void effort_init(struct effort *e, double share, uint64_t now_us, uint64_t cpu_us)
{
	e->share = share;
	e->window_us = e->since_us = now_us;
	e->cpu_us = cpu_us;
	e->used = 0;
	e->form = EFFORT_FULL;
	e->crowded = 0;
}

static void enter(struct effort *e, enum effort_form form, uint64_t now_us)
{
	e->form = (uint8_t)form;
	e->since_us = now_us;
}

/* One crowded window may be a burst that the queue was there to take; two are not. */
static void begin_window(struct effort *e, uint64_t now_us, double crowd)
{
	int dwelt = now_us >= e->since_us + EFFORT_DWELL_US;

	if (crowd < EFFORT_CROWD)
		e->crowded = 0;
	else if (e->crowded < 2)
		e->crowded++;
	if (e->crowded == 2 && e->form != EFFORT_PASS)
		enter(e, EFFORT_PASS, now_us);
	else if (e->form == EFFORT_PASS && dwelt && crowd < EFFORT_CROWD / 4)
		enter(e, EFFORT_SHORT, now_us);
	else if (e->form == EFFORT_SHORT && dwelt && e->used < e->share * EFFORT_CHEAP / 2)
		enter(e, EFFORT_FULL, now_us);
}

uint64_t effort_step(struct effort *e, uint64_t now_us, uint64_t cpu_us, double crowd)
{
	uint64_t spent = cpu_us > e->cpu_us ? cpu_us - e->cpu_us : 0, budget, end;

	if (now_us >= e->window_us + EFFORT_WINDOW_US) {
		e->used = (double)spent / (double)(now_us - e->window_us);
		e->window_us = now_us;
		e->cpu_us = cpu_us;
		begin_window(e, now_us, crowd);
		return 0;
	}
	if (e->share >= 1) /* all of a CPU is no bound */
		return 0;
	budget = (uint64_t)(e->share * (double)EFFORT_WINDOW_US);
	if (e->form == EFFORT_FULL && (double)spent >= EFFORT_CHEAP * (double)budget)
		enter(e, EFFORT_SHORT, now_us);
	else if (e->form == EFFORT_SHORT && (double)spent >= EFFORT_CHEAP * (double)budget)
		e->since_us = now_us; /* still busy: stays short */
	end = e->window_us + EFFORT_WINDOW_US;
	return spent >= budget ? end - now_us : 0;
}
