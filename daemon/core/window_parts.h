/* What the parts of the law share. Each part is a file with one noun, a small state and a step. The
 * step reads the tick and its arguments, writes only its own state, and returns what it found.
 * window_step() calls the steps once a tick, in the order in which they stand here. Only window.c
 * knows the whole window, and after rates_step() only window.c writes the tick. The figures are in
 * law.h.
 *
 * NAME_init() is there for a state that does not begin as all zeros, NAME_restore() for one of
 * which a restart keeps something: it takes its own figures, and ignores those that make no
 * sense. */
#ifndef PENSTOCK_CORE_WINDOW_PARTS_H
#define PENSTOCK_CORE_WINDOW_PARTS_H

#include <math.h>

#include "core/law.h"
#include "core/smooth.h"
#include "core/window.h"

/* Whether the server has stopped: it completes nothing. */
enum stopped { STOPPED_NOT, STOPPED_SHORTLY, STOPPED_LONG };

/* One tick as the law sees it. */
struct observation {
	const struct window_input *in;
	const struct window_config *config;
	const struct window_view *before; /* of the tick before */
	double dt;
	double completed, offered, admitted, deferred; /* a second, in this tick */
	double busy; /* busy sessions, mean over the tick */
	double thought; /* seconds that sessions waited for their senders, a second */
	double time; /* T less its unloaded part; -1: not known */
	double saturation; /* -1: not known */
	double cpu, io, memory; /* the stalls that make up saturation */
	double used; /* share of the cores in use; -1: not known */
	double cores;
	enum machine machine;
	uint32_t server; /* bits of enum server */
	enum stopped stopped; /* stop.c */
	bool refusing;
	bool growth_frozen; /* the window must not grow: growth_freeze.c */
	/* delay.c: T0 and completions a second that it has found; 0: nothing was found */
	double delay_s, proven_per_s;
	bool believed; /* T is long, and nothing shows yet that it is a queue (delay.c) */
	double greeting_usual_s; /* how long sessions usually wait for their greeting */
	bool may_queue; /* T may be a queue, or was one a while ago: delay.c */
	bool confined; /* T0 was learned behind a window that is nearly closed: see unloaded.c */
};

static inline double observed_first(const struct sample *s, enum signal own, enum signal whole,
				    double otherwise)
{
	return sample_get(s, own, sample_get(s, whole, otherwise));
}

/* Whether the machine is idle and no queue stands in front of the server. Then slow sessions are
 * not due to load. */
static inline bool observed_idle(const struct observation *o)
{
	return o->machine == MACHINE_IDLE && !(o->server & SERVER_SHORT_OF_SLOTS);
}

/* Whether more sessions wait for their greeting than usual. */
static inline bool observed_greetings_wait(const struct observation *o, const struct rates *rates)
{
	double ungreeted = o->in->load->known & LOAD_UNGREETED ? o->in->load->ungreeted : 0;
	/* If a server delays its greeting (greet wait, DNS lists), some clients always wait for it,
	 * and by chance a few more: their number varies by its square root. */
	double late_s = fmax(o->in->connect_220_base_us / US_IN_S, o->greeting_usual_s);
	double mean = rates->admitted * late_s, late = BASE_SLACK * mean + 2 * sqrt(mean);

	return ungreeted > fmax(fmax(2, late), UNGREETED_IDLE_SHARE * o->in->load->in_flight);
}

/* T of the sessions that have ended; -1: not known. It lags behind. It does not contain sessions
 * that only look busy and never end (half a TLS hello, a client that stalls in its message), which
 * are no load. */
static inline double rates_ended_s(const struct rates *rates)
{
	return rates->done >= TELLS_MIN_PER_S ? rates->done_time / rates->done : -1;
}

/* Whether the server works off what came before, and next to nothing new. Such sessions have cost
 * their CPU time before, and how long they take says nothing about those that come now. */
static inline bool rates_drain(const struct rates *rates)
{
	return rates->admitted < THROUGH_SHARE * rates->completed;
}

/* Whether enough sessions are busy, and T is above `time_s`. */
static inline bool observed_slow(const struct observation *o, const struct rates *rates,
				 double time_s)
{
	return o->time > time_s && rates->busy >= BUSY_MIN;
}

static inline uint64_t us_of(double seconds)
{
	return (uint64_t)(US_IN_S * seconds);
}

/* Whether a figure that a restart has kept can be true. */
static inline bool warm_makes_sense(double value, double least, double most)
{
	return isfinite(value) && value >= least && value <= most;
}

/* saturation.c: writes how saturated the MTA's part of the machine is into the tick. */
void saturation_init(struct saturation *saturation);
void saturation_step(struct saturation *saturation, struct observation *observation);
/* rates.c: what arrives and what ends, in this tick and smoothed. */
void rates_step(struct rates *rates, struct observation *observation);
/* For a tick without any sight of sessions: the next one has no tick before it. */
void rates_pause(struct rates *rates);

/* server.c: what the machine does; what keeps the server from serving, as bits of enum server; and,
 * once T is known, whether the server hangs. */
enum machine machine_by(double saturation);
uint32_t greeting_step(struct greeting *greeting, const struct observation *observation,
		       const struct rates *rates);
bool server_hangs(const struct observation *observation, const struct rates *rates);

/* growth_freeze.c: notes a lost input. Returns whether the window must not grow for a while. Call
 * it when `law`, the one in force, has been chosen. */
bool growth_freeze_step(struct growth_freeze *growth_freeze, const struct observation *observation,
			enum window_law law);

/* commit.c: the part of a disk's time that does not grow with the busy sessions, s. */
double commit_step(struct commit *commit, const struct observation *observation,
		   const struct rates *rates);
/* delay.c: T0, s, if sessions that take so long do not queue, or if they turn out to; 0: nothing is
 * known. `unloaded_s`: T0 as it is believed now. `*ret_proven_per_s`: completions a second that are
 * possible; 0: not known. */
double delay_step(struct delay *delay, const struct observation *observation,
		  const struct rates *rates, double unloaded_s, double *ret_proven_per_s);
/* Whether T is long, and believed to be a delay so far. */
bool delay_is_believed(const struct delay *delay);
/* unloaded.c: whether a few sessions are let in although the window is full; and T without its
 * unloaded part, s. unloaded_step() learns that part, which is at least `commit_s`.
 * `*ret_confined`: it was learned behind a window that is nearly closed. */
bool unloaded_lets_in(const struct observation *observation, const struct rates *rates);
void unloaded_restore(struct unloaded *unloaded, const struct window_warm *warm);
double unloaded_step(struct unloaded *unloaded, const struct observation *observation,
		     const struct rates *rates, const struct knee *knee, double commit_s,
		     bool *ret_confined);
/* capacity.c: the time after which an admission shows in the completions, and the completions
 * smoothed over that time. */
void lag_step(struct capacity *capacity, const struct observation *observation, double unloaded_s);
/* stop.c: whether the server has stopped. In a short stop the capacity is `stop->capacity`, as it
 * was before, and in each stop the job is `stop->job`. */
enum stopped stop_step(struct stop *stop, const struct observation *observation,
		       const struct rates *rates, const struct capacity *capacity,
		       const struct job *job);
/* capacity.c: the completions a second that the CPU of a job and the disk allow; and the CPU
 * seconds of a job, -1: not known. */
void job_restore(struct job *job, const struct window_warm *warm);
struct prediction job_step(struct job *job, const struct observation *observation,
			   const struct rates *rates, double completed_lag, double *ret_cost_s);
/* regime.c: whether Xcap grows, stays or falls. `good_s`: up to this T the mail objective plainly
 * holds. */
enum regime regime_step(struct knee *knee, const struct observation *observation,
			const struct rates *rates, double lag_s, double good_s);
/* capacity.c: Xcap. `predicted_per_s`: as job_step() has it. */
void capacity_init(struct capacity *capacity);
void capacity_restore(struct capacity *capacity, const struct window_warm *warm);
void capacity_step(struct capacity *capacity, const struct observation *observation,
		   const struct rates *rates, enum regime regime, double predicted_per_s,
		   double good_s);
/* patience.c: how long a sender may wait in front of the server, s. */
double patience_step(struct patience *patience, const struct observation *observation,
		     const struct capacity *capacity);
/* think.c: sums of the tick; and Z, s, for sessions that take `server_s` at the server. */
void think_restore(struct think *think, const struct window_warm *warm);
void think_read(struct think *think, const struct observation *observation);
double think_step(struct think *think, const struct observation *observation,
		  const struct rates *rates, const struct capacity *capacity, double server_s);

/* servo.c: W from the pressures of delays. */
double servo_step(struct servo *servo, const struct observation *observation);

/* hard.c: learns the bytes of a session, faster while the cliff binds; and W_hard, with the cliff
 * that is nearest. -1: no cliff is known. */
void memory_init(struct memory *memory);
void memory_restore(struct memory *memory, const struct window_warm *warm);
void memory_step(struct memory *memory, const struct observation *observation);
double hard_limit(struct memory *memory, const struct observation *observation,
		  enum reason *ret_reason);

/* foreign.c: whether other programs cause the pressure. */
bool foreign_step(struct foreign *foreign, const struct observation *observation,
		  const struct rates *rates, const struct capacity *capacity);

/* window_plan.c: the plan of a view that is complete; and a plan without bounds, also into the
 * view. */
void window_plan(const struct window_view *view, const struct observation *observation,
		 struct plan_service *ret);
void window_open_plan(struct window_view *view, struct plan_service *ret);

#endif
