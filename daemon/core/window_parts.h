/* What the parts of the law share, one file a noun: window.c (the order of a tick), window_tick.c (what was read), time_base.c (T),
 * capacity.c (the capacity law), servo.c (where neither completions nor dialogue can be seen), hard.c (the cliffs), hold.c
 * (when not to grow), foreign.c (whose pressure it is), queue_bound.c (the queue behind the server). Each function is called by
 * window_step() in the order in which they stand here, once a tick. */
#ifndef PENSTOCK_CORE_WINDOW_PARTS_H
#define PENSTOCK_CORE_WINDOW_PARTS_H

#include "core/window.h"

#define SATURATED 0.95
#define UNSATURATED 0.90
#define WINDOW_MOST 1e6
#define TAU_RATE 1.0 /* s */
#define TAU_COST 3.0 /* s */
#define TIME_GOOD 0.10 /* s above the unloaded part of T: the mail objective plainly holds */
#define TIME_BAD 0.60 /* the same, plainly over the knee */
#define BUSY_LEAST 3.0 /* fewer busy sessions than this are no overload, however long they take */
#define JOBS_FOR_COST 30 /* completions before figures of one are more than a guess */
#define TRUST_LEAST 0.02

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

/* window_tick.c: how saturated the MTA's part of the machine is, smoothed (view.saturation, too); rates and Z's sums. */
void window_read_saturation(struct window *window, struct tick *tick);
void window_read_load(struct window *window, struct tick *tick);

/* hold.c: notes an input that was lost: no growth for a while. */
void window_watch_inputs(struct window *window, const struct tick *tick);

/* capacity.c: W by Xcap, T and Z. */
double window_capacity_law(struct window *window, struct tick *tick);
/* time_base.c: T less what a session costs an unloaded server, s; learns that part. */
double window_server_time(struct window *window, struct tick *tick);
/* Whether the time goes into greetings that an idle machine holds back: a greet wait, DNS lists. */
bool window_is_greeting_late(const struct window *window, const struct tick *tick);

/* servo.c: W by delay pressures. */
double window_servo(struct window *window, struct tick *tick);

/* hard.c: bytes a session, and W_hard: -1 when no cliff is known; says which one is nearest. */
void window_memory_init(struct window *window);
void window_learn_memory(struct window *window, const struct tick *tick);
double window_hard_limit(struct window *window, const struct tick *tick, enum reason *ret_reason);

/* foreign.c: whether the pressure is somebody else's (view.foreign). */
void window_judge_foreign(struct window *window, const struct tick *tick);

/* queue_bound.c: the rate at which mail leaves the queue bounds the rate at which it is taken. After the rest of the plan. */
void window_bind_queue(struct window *window, const struct tick *tick, struct plan_service *ret);

#endif
