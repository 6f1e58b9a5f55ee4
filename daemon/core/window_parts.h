/* What the parts of the law share, one file a noun: window.c (the order of a tick, and the plan),
 * window_tick.c (what was read), server.c (what the machine and the server do), time_base.c (T),
 * regime.c (which way Xcap goes), capacity.c (the capacity law), servo.c (where neither completions
 * nor dialogue can be seen), hard.c (the cliffs), hold.c (when not to grow), foreign.c (whose
 * pressure it is), queue_bound.c (the queue behind the server). Each function is called by
 * window_step() in the order in which they stand here, once a tick. The figures are in law.h. */
#ifndef PENSTOCK_CORE_WINDOW_PARTS_H
#define PENSTOCK_CORE_WINDOW_PARTS_H

#include <math.h>

#include "core/law.h"
#include "core/smooth.h"
#include "core/window.h"

/* One tick as the law sees it. */
struct tick {
	const struct window_input *in;
	double dt;
	double completed, offered, admitted, deferred; /* a second, this tick */
	double busy; /* mean over the tick */
	double time; /* T less its unloaded part; -1: not known */
	double saturation; /* -1: not known */
	double cpu, io, memory; /* stalls that make up saturation */
	double used; /* of the cores; -1: not known */
	double cores;
	enum machine machine;
	uint32_t server; /* bits of enum server */
	bool refusing;
	bool confined; /* T0 was learned behind a window that is nearly shut: see time_base.c */
};

static inline double tick_first_of(const struct sample *s, enum signal own, enum signal whole,
				   double otherwise)
{
	return sample_get(s, own, sample_get(s, whole, otherwise));
}

/* On an idle machine what is slow is no queue, unless one stands in front of it. */
static inline bool tick_is_idle(const struct tick *t)
{
	return t->machine == MACHINE_IDLE && !(t->server & SERVER_SHORT_OF_SLOTS);
}

/* Enough are busy, and longer than `time_s`. */
static inline bool tick_is_slow(const struct window *w, const struct tick *t, double time_s)
{
	return t->time > time_s && w->rates.busy >= BUSY_MIN;
}

static inline bool tick_holds(const struct window *w, const struct tick *t)
{
	return t->in->now_us < w->hold.until_us;
}

static inline uint64_t us_of(double seconds)
{
	return (uint64_t)(US_IN_S * seconds);
}

/* window_tick.c: how saturated the MTA's part of the machine is, smoothed (view.saturation, too);
 * rates and Z's sums. */
void window_read_saturation(struct window *window, struct tick *tick);
void window_read_load(struct window *window, struct tick *tick);

/* server.c: what the machine and the server do; whether it hangs, once T is known. */
void window_see_machine(struct tick *tick);
void window_see_server(struct window *window, struct tick *tick);
void window_see_hang(const struct window *window, struct tick *tick);

/* hold.c: notes an input that was lost: no growth for a while. After `law`, the one in force, was
 * chosen. */
void hold_step(struct hold *hold, const struct tick *tick, enum window_law law);

/* capacity.c: W by Xcap, T and Z. */
double window_capacity_law(struct window *window, struct tick *tick);
/* time_base.c: T less what a session costs an unloaded server, s; learns that part. */
double window_server_time(struct window *window, struct tick *tick);
/* regime.c: the only place that decides it. `good_s`: T up to it is plainly good. */
enum regime window_regime(struct window *window, const struct tick *tick, double good_s);

/* servo.c: W by delay pressures. `hold`: it must not grow. */
double servo_step(struct servo *servo, const struct tick *tick, const struct window_config *config,
		  bool hold);

/* hard.c: bytes a session, `session_bytes` if that is more than 0, else learned, sooner while the
 * cliff `binds`; and W_hard: -1 when no cliff is known; says which one is nearest. */
void memory_init(struct memory *memory);
void memory_step(struct memory *memory, const struct tick *tick, double session_bytes, bool binds);
double window_hard_limit(struct window *window, const struct tick *tick, enum reason *ret_reason);

/* foreign.c: whether the pressure comes from other programs. */
bool foreign_step(struct foreign *foreign, const struct tick *tick, const struct rates *rates,
		  const struct capacity *capacity, double cores);

/* queue_bound.c: the rate at which mail leaves the queue bounds the rate at which it is taken.
 * After the rest of the plan. */
void window_bind_queue(struct window *window, const struct tick *tick, struct plan_service *ret);

#endif
