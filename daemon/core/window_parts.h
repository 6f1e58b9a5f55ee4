/* What the parts of the law share: window.c (the capacity law, and the order of a tick), servo.c (where neither completions nor
 * dialogue can be seen), hard.c (the cliffs). */
#ifndef PENSTOCK_CORE_WINDOW_PARTS_H
#define PENSTOCK_CORE_WINDOW_PARTS_H

#include "core/window.h"

#define SATURATED 0.95
#define WINDOW_MOST 1e6

/* One tick as the law sees it. */
struct tick {
	const struct window_input *in;
	double dt;
	double completed, offered, admitted, deferred; /* a second, this tick */
	double busy; /* mean over the tick */
	double time; /* T less its unloaded part; -1: not known */
	double saturation; /* -1: not known */
	double cpu, io, memory; /* stalls that make up saturation */
	double cores;
	bool refusing, slots_short;
};

static inline double tick_first_of(const struct sample *s, enum signal own, enum signal whole,
				   double otherwise)
{
	return sample_get(s, own, sample_get(s, whole, otherwise));
}

/* servo.c: W by delay pressures. */
double window_servo(struct window *window, struct tick *tick);

/* hard.c: bytes a session, and W_hard: -1 when no cliff is known; says which one is nearest. */
void window_memory_init(struct window *window);
void window_learn_memory(struct window *window, const struct tick *tick);
double window_hard_limit(struct window *window, const struct tick *tick, enum reason *ret_reason);

/* queue_bound.c: the rate at which mail leaves the queue bounds the rate at which it is taken. After the rest of the plan. */
void window_bind_queue(struct window *window, const struct tick *tick, struct plan_service *ret);

#endif
