/* What the parts of the law share. A noun is a file with a small state and a step, which reads the
 * tick and what it is given, writes its own state alone, and returns what it found. window_step()
 * calls them in the order in which they stand here, once a tick; window.c alone knows the whole
 * window, and after rates_step() it alone writes the tick. The figures are in law.h. */
#ifndef PENSTOCK_CORE_WINDOW_PARTS_H
#define PENSTOCK_CORE_WINDOW_PARTS_H

#include <math.h>

#include "core/law.h"
#include "core/smooth.h"
#include "core/window.h"

/* One tick as the law sees it. */
struct observation {
	const struct window_input *in;
	const struct window_config *config;
	const struct window_view *before; /* of the tick before */
	double dt;
	double completed, offered, admitted, deferred; /* a second, this tick */
	double busy; /* mean over the tick */
	double thought; /* seconds that sessions waited for their senders, a second */
	double time; /* T less its unloaded part; -1: not known */
	double saturation; /* -1: not known */
	double cpu, io, memory; /* stalls that make up saturation */
	double used; /* of the cores; -1: not known */
	double cores;
	enum machine machine;
	uint32_t server; /* bits of enum server */
	bool refusing;
	bool growth_frozen; /* the window must not grow: growth_freeze.c */
	bool confined; /* T0 was learned behind a window that is nearly shut: see unloaded.c */
};

static inline double observed_first(const struct sample *s, enum signal own, enum signal whole,
				    double otherwise)
{
	return sample_get(s, own, sample_get(s, whole, otherwise));
}

/* On an idle machine slow sessions mean no queue, unless one stands in front of the server. */
static inline bool observed_idle(const struct observation *o)
{
	return o->machine == MACHINE_IDLE && !(o->server & SERVER_SHORT_OF_SLOTS);
}

/* Enough are busy, and longer than `time_s`. */
static inline bool observed_slow(const struct observation *o, const struct rates *rates,
				 double time_s)
{
	return o->time > time_s && rates->busy >= BUSY_MIN;
}

static inline uint64_t us_of(double seconds)
{
	return (uint64_t)(US_IN_S * seconds);
}

/* saturation.c: how saturated the MTA's part of the machine is, into the tick. */
void saturation_step(struct saturation *saturation, struct observation *observation);
/* rates.c: what comes and goes, this tick and smoothed. */
void rates_step(struct rates *rates, struct observation *observation);

/* server.c: what the machine does; what stands for the server, as bits of enum server; and whether
 * it hangs, once T is known. */
enum machine machine_by(double saturation);
uint32_t greeting_step(struct greeting *greeting, const struct observation *observation,
		       const struct rates *rates);
bool server_hangs(const struct observation *observation, const struct rates *rates);

/* growth_freeze.c: notes an input that was lost. Returns whether there must be no growth for a
 * while. After `law`, the one in force, was chosen. */
bool growth_freeze_step(struct growth_freeze *growth_freeze, const struct observation *observation,
			enum window_law law);

/* commit.c: what of a disk's time does not grow with the busy, s. */
double commit_step(struct commit *commit, const struct observation *observation,
		   const struct rates *rates);
/* unloaded.c: whether a few are let in although the window is full; and T less what a session
 * costs an unloaded server, s. That learns that part, which is at least `commit_s`;
 * `*ret_confined`: behind a window that is nearly shut. */
bool unloaded_lets_in(const struct observation *observation, const struct rates *rates);
double unloaded_step(struct unloaded *unloaded, const struct observation *observation,
		     const struct rates *rates, const struct knee *knee, double commit_s,
		     bool *ret_confined);
/* capacity.c: how long an admission takes to show, and what is completed over that time. */
void lag_step(struct capacity *capacity, const struct observation *observation, double unloaded_s);
/* capacity.c: the completions a second that a job's CPU and the disk promise; and its CPU seconds,
 * -1: not known. */
double job_step(struct job *job, const struct observation *observation, const struct rates *rates,
		double completed_lag, double *ret_cost_s);
/* regime.c: which way Xcap goes. `good_s`: T up to it is plainly good. */
enum regime regime_step(struct knee *knee, const struct observation *observation,
			const struct rates *rates, double lag_s, double good_s);
/* capacity.c: Xcap. `promised`: what job_step() said. */
void capacity_step(struct capacity *capacity, const struct observation *observation,
		   const struct rates *rates, enum regime regime, double promised, double good_s);
/* patience.c: how long a sender may wait in front of the server, s. */
double patience_step(struct patience *patience, const struct observation *observation,
		     const struct capacity *capacity);
/* think.c: sums of the tick; and Z, s, while sessions are to take `server_s` at the server. */
void think_read(struct think *think, const struct observation *observation);
double think_step(struct think *think, const struct observation *observation,
		  const struct rates *rates, const struct capacity *capacity, double server_s);

/* servo.c: W by delay pressures. */
double servo_step(struct servo *servo, const struct observation *observation);

/* hard.c: bytes a session, learned sooner while the cliff binds; and W_hard: -1 when no cliff is
 * known; says which one is nearest. */
void memory_init(struct memory *memory);
void memory_step(struct memory *memory, const struct observation *observation);
double hard_limit(struct memory *memory, const struct observation *observation,
		  enum reason *ret_reason);

/* foreign.c: whether the pressure comes from other programs. */
bool foreign_step(struct foreign *foreign, const struct observation *observation,
		  const struct rates *rates, const struct capacity *capacity);

/* window_plan.c: the plan, of the view as it is now; and the one that bounds nothing, into the
 * view, too. */
void window_plan(const struct window_view *view, const struct observation *observation,
		 struct plan_service *ret);
void window_open_plan(struct window_view *view, struct plan_service *ret);

/* queue_bound.c: the rate at which mail leaves the queue bounds the rate at which it is taken.
 * After the rest of the plan. */
void queue_bound(const struct observation *observation, double offered_per_s,
		 struct window_view *view, struct plan_service *ret);

#endif
