/*
 * How many sessions may be in flight: the law.
 *
 * The best signal of a mail server is T, the time that a session costs *the server*: busy sessions (those in which the
 * server owes an answer) over completions a second (Little's law). It is blind to slow senders, and it sees slots, CPU,
 * disk and lock contention alike. What one would wrongly assume: that CPU utilisation, PSI or connect-to-220 could steer.
 * PSI "some" saturates below the knee, so it is a gate (saturated or not) and names the driver, never an error signal;
 * connect-to-220 is blind where a scanner works after the final dot.
 *
 * The capacity law, where completions and dialogue can be seen:
 *   X    completions a second        T = busy / X, less what an unloaded session costs (tarpits, remote lookups)
 *   D    CPU of the MTA's control group a job: predicts capacity before the overload is there
 *   Xcap what the server can complete: X where it is plainly over its knee, the prediction where it is plainly under it,
 *        held where the machine is loaded and mail is not harmed (that load is somebody else's)
 *   W    k Xcap (Tt + Z), Z the time in which a session waits for its sender. k corrects what the prediction missed
 * A token bucket at 1.25 Xcap bounds bursts between two ticks; a bound on sessions that wait for their greeting finds a
 * server that has run out of slots.
 *
 * The pressure servo, where neither can be seen: an integrating controller on the norm of delay pressures.
 *
 * Both: what leaves the queue behind the server bounds what is taken (backlog.h); W_hard, what memory, disk space and slots carry, joins by min; growth is vetoed while it brings nothing; nothing
 * grows for 30 s after a sensor was lost; and without any sight of sessions the window is open.
 *
 * Sources: Little 1961; Breakwater (OSDI'20) for the window as actuator, Protego
 * (NSDI'23) for the veto, RFC 8033 for the shape of the servo.
 */
#include "core/window.h"

#include <string.h>

#include "core/smooth.h"
#include "core/window_parts.h"

/* Time constants, s. */
#define TAU_RATE 1.0
#define TAU_BUSY 0.2
#define TAU_SATURATION 0.3
#define TAU_COST 3.0
#define TAU_OPEN 0.5
/* Server time above its unloaded part, s. */
#define TIME_GOOD 0.15 /* the mail objective plainly holds */
#define TIME_GOOD_DISK 0.40 /* group commit wants more in flight */
#define SPREAD 2.0 /* standard deviations */
#define TIME_SPREAD_MOST 0.40
#define TIME_BAD 0.60 /* plainly over the knee */
#define TIME_OBJECTIVE 0.50
#define UNSATURATED 0.90
#define CORES_USABLE 0.97 /* of a core goes into sessions at the knee */
#define JOB_GUESS_S 0.005 /* CPU of a job before any was seen */
#define JOBS_FOR_COST 30
#define JOBS_FOR_BASE 50
#define BASE_SLACK 1.5
#define TIME_SHOWN_MOST 600.0 /* of a server that completes nothing, T is anything */
#define THINK_GUESS_S 0.2
#define GREETING_SHARE 0.8 /* of the busy wait for their greeting: that is where the time goes */
#define CONFINED_BUSY 2.0 /* times the least window: so few on an idle machine queue for nothing */
#define BUSY_LEAST 3.0 /* fewer busy sessions than this are no overload, however long they take */
#define FACTOR_LEAST 0.6
#define FACTOR_MOST 2.5
#define TRUST_LEAST 0.02
#define BUCKET_SHARE 1.25
#define REFUSING_US 1000000u /* "refusing": something was refused within this */
#define HOLD_US 30000000u
#define FOREIGN_US 2000000u
#define SUPERVISE_US 5000000u
#define VETO_US 30000000u
/* Late refusals while next to nobody gets through: the patience doubles in this time, up to this many times. */
#define LATE_SHARE 0.05
#define LATE_SHARE_IDLE 0.9 /* ... and where the machine is idle: while some do not */
#define LATE_DOUBLES_S 5.0
#define LATE_STRETCH_MOST 600.0
#define LATE_RELAX_S 600.0

void window_init(struct window *window, const struct window_config *config)
{
	memset(window, 0, sizeof(*window));
	window->config = *config;
	window->factor = window->trust = window->late_stretch = 1;
	window_memory_init(window);
	window->view.law = LAW_OPEN;
	window->view.capacity_per_s = window->view.server_time_s = window->view.hard = -1;
	window->view.saturation = window->view.cpu_per_job_s = -1;
	window->view.queue_allowed_per_s = -1;
}

void window_save(const struct window *w, struct window_warm *ret)
{
	*ret = (struct window_warm){ 0 };
	if (w->jobs_seen < JOBS_FOR_COST)
		return; /* what is there is a guess */
	ret->capacity_per_s = w->capacity;
	ret->cpu_per_job_s = w->cost;
	ret->time_base_s = w->time_base_seen ? w->time_base : 0;
	ret->think_time_s = w->view.think_time_s;
	ret->session_bytes = w->memory.per_session;
	ret->trust = w->trust;
}

static bool makes_sense(double value, double least, double most)
{
	return isfinite(value) && value >= least && value <= most;
}

void window_restore(struct window *w, const struct window_warm *warm)
{
	if (makes_sense(warm->capacity_per_s, 0.1, 1e6))
		w->capacity = warm->capacity_per_s;
	if (makes_sense(warm->cpu_per_job_s, 1e-6, 1e3))
		w->cost = warm->cpu_per_job_s;
	if (makes_sense(warm->time_base_s, 1e-9, 600)) {
		w->time_base = warm->time_base_s;
		w->time_base_seen = true;
	}
	if (makes_sense(warm->think_time_s, 1e-6, 3600))
		w->think_guess = warm->think_time_s;
	if (makes_sense(warm->session_bytes, 1, 1e12))
		w->memory.per_session = warm->session_bytes;
	if (makes_sense(warm->trust, TRUST_LEAST, 1))
		w->trust = warm->trust;
}

void window_configure(struct window *window, const struct window_config *config)
{
	window->config = *config;
}

/* How saturated the MTA's part of the machine is. "some" reaches 1 early where there are several cores: there it counts
 * only as far as the cores are used, too. */
static void read_saturation(struct tick *t, bool has_cores)
{
	const struct sample *s = t->in->sample;
	double used = sample_get(s, SIGNAL_CPU_BUSY_RATIO, -1);
	double own = sample_get(s, SIGNAL_MTA_CPU_CORES, -1);

	t->cpu = tick_first_of(s, SIGNAL_MTA_CPU_STALL_RATIO, SIGNAL_CPU_STALL_RATIO, -1);
	t->io = tick_first_of(s, SIGNAL_MTA_IO_STALL_RATIO, SIGNAL_IO_STALL_RATIO, -1);
	t->memory = tick_first_of(s, SIGNAL_MTA_MEM_STALL_RATIO, SIGNAL_MEM_STALL_RATIO, -1);
	if (own >= 0)
		used = fmax(used, own / t->cores);
	if (t->cpu < 0)
		t->cpu = used; /* no PSI: a busy CPU is the next best */
	else if (t->cores > 1.5 && used >= 0 && has_cores)
		t->cpu = fmin(t->cpu, used / 0.93);
	t->saturation = fmax(t->cpu, fmax(t->io, t->memory));
	if (t->saturation > 1)
		t->saturation = 1;
}

static void read_load(struct window *w, struct tick *t)
{
	const struct load_service *now = t->in->load, *was = &w->last;
	double jobs = counter_delta(now->completed, was->completed);

	t->completed = jobs / t->dt;
	t->offered = counter_delta(now->offered, was->offered) / t->dt;
	t->admitted = counter_delta(now->admitted, was->admitted) / t->dt;
	t->deferred = (counter_delta(now->deferred, was->deferred) +
		       counter_delta(now->would_defer, was->would_defer)) /
		      t->dt;
	t->busy = now->busy;
	if (now->busy_us >= was->busy_us && now->busy_us != 0)
		t->busy = (double)(now->busy_us - was->busy_us) / 1e6 / t->dt;
	smooth_step(&w->completed_ew, t->completed, t->dt, TAU_RATE);
	smooth_step(&w->completed_slow, t->completed, t->dt, TAU_COST);
	smooth_step(&w->offered_ew, t->offered, t->dt, TAU_RATE);
	smooth_step(&w->admitted_ew, t->admitted, t->dt, TAU_RATE);
	smooth_step(&w->deferred_ew, t->deferred, t->dt, TAU_RATE);
	smooth_step(&w->busy_ew, t->busy, t->dt, TAU_BUSY);
	w->jobs_seen += jobs;
	if (t->deferred > 0)
		w->refused_us = t->in->now_us;
	t->refusing = w->refused_us != 0 && t->in->now_us - w->refused_us < REFUSING_US;
	/* Z, a job: what finished sessions spent waiting for their sender. */
	smooth_step(&w->think_sum,
		    fmax(0, counter_delta(now->session_us, was->session_us) -
				    counter_delta(now->server_us, was->server_us)) /
			    1e6 / t->dt,
		    t->dt, TAU_COST);
	smooth_step(&w->think_jobs, t->completed, t->dt, TAU_COST);
}

/* CPU seconds a job, -1: not known yet. */
static double job_cost(struct window *w, const struct tick *t)
{
	if (sample_has(t->in->sample, SIGNAL_MTA_CPU_CORES))
		smooth_step(&w->cpu_slow, t->in->sample->value[SIGNAL_MTA_CPU_CORES], t->dt,
			    TAU_COST);
	else
		return -1;
	if (!window_has(w, WINDOW_PART_PREDICTION))
		return -1;
	if (w->jobs_seen >= JOBS_FOR_COST && w->completed_slow >= 0.5)
		w->cost = w->cpu_slow / w->completed_slow;
	else if (w->jobs_seen >= JOBS_FOR_COST)
		return -1;
	return w->cost > 0 ? w->cost : -1;
}

/* The machine is plainly idle and nobody waits to be accepted. */
static bool is_machine_idle(const struct tick *t)
{
	return t->saturation >= 0 && t->saturation < 0.5 && !t->slots_short;
}

/* Whether the time goes into greetings that an idle machine holds back: a greet wait, DNS lists. A server that hangs looks the same;
 * there the bound on those who wait for a greeting and the late refusal hold, and no window would bring it back. */
static bool is_greeting_late(const struct window *w, const struct tick *t)
{
	return is_machine_idle(t) && t->in->load->known & LOAD_WAITING &&
	       t->in->load->waiting >= GREETING_SHARE * w->busy_ew;
}

/* The window is nearly shut, and still a session takes long on an idle machine: it is no queue that it waits in. */
static bool is_confined(const struct window *w, const struct tick *t)
{
	return is_machine_idle(t) && w->view.window >= 0 &&
	       w->view.window <= CONFINED_BUSY * w->config.least &&
	       w->busy_ew <= CONFINED_BUSY * w->config.least;
}

/* Follows what a session costs the server while nothing queues: down at once, up only while it is idle. */
static void learn_time_base(struct window *w, const struct tick *t)
{
	double waiting = t->in->load->known & LOAD_WAITING ? t->in->load->waiting : 0;
	double queue = sample_get(t->in->sample, SIGNAL_ACCEPT_QUEUE_RATIO, 0);
	/* A server that greets late by itself (greet wait, DNS lists) always has some that wait. */
	double late = 1.5 * w->admitted_ew * t->in->connect_220_base_us / 1e6;
	bool idle = t->saturation >= 0 && t->saturation < 0.5 && !t->refusing && queue < 0.05 &&
		    waiting <= fmax(fmax(2, late), 0.1 * t->in->load->in_flight);
	/* While the load rises, completions lag behind by T: then Little's law holds for what was admitted. */
	double unloaded = w->busy_ew / fmax(fmax(w->completed_ew, w->admitted_ew), 1);
	/* After a step of the load either rate is not what made those busy now: it costs less only if it does by both. */
	double surely = w->busy_ew / fmax(fmin(w->completed_ew, w->admitted_ew), 1);

	if (t->refusing && w->time_base_seen && surely > w->time_base && is_confined(w, t)) {
		smooth_step(&w->time_base, surely, t->dt, 1.0);
		/* What was made of completions with the wrong figure is void. */
		smooth_step(&w->trust, 1, t->dt, 2.0);
	} else if (w->time_base_seen && unloaded > w->time_base && is_greeting_late(w, t) &&
		   w->completed_ew > 0.5 * w->admitted_ew) {
		/* They do get through, late as they are greeted: that is its way. */
		smooth_step(&w->time_base, unloaded, t->dt, 5.0);
	} else if (!w->time_base_seen && idle) {
		w->time_base = unloaded;
		w->time_base_seen = true;
	} else if (surely < w->time_base) {
		smooth_step(&w->time_base, surely, t->dt, 1.0);
	} else if (idle) {
		smooth_step(&w->time_base, unloaded, t->dt,
			    w->jobs_seen < JOBS_FOR_BASE ? 1.0 : 20.0);
	}
}

/* T less what a session costs an unloaded server. */
static double server_time(struct window *w, struct tick *t)
{
	/* Beyond what is the server's way, which itself varies. */
	double passing = fmax(w->admitted_ew,
			      w->completed_ew); /* those busy now were admitted a while ago */
	double busy = w->busy_ew - BASE_SLACK * passing * w->time_base;
	/* Before an unloaded T was seen, and where greetings are what is late, a long one may be just that: then it takes a
	 * second witness. */
	bool witness =
		(w->time_base_seen && w->jobs_seen >= JOBS_FOR_BASE && !is_greeting_late(w, t)) ||
		t->slots_short || t->saturation < 0 || t->saturation > 0.5;

	w->view.server_time_s = fmin(w->busy_ew / fmax(w->completed_ew, 1), TIME_SHOWN_MOST);
	if (w->completed_ew >= 0.2 && window_has(w, WINDOW_PART_BASE))
		learn_time_base(w, t);
	return witness ? fmax(0, busy / fmax(w->completed_ew, 1)) : 0;
}

/* How far the prediction holds. A server that is over its knee while the machine is not loaded has a bound of its own (one
 * thread, a lock, a remote service): what it does complete is remembered, so that the prediction does not lead there again
 * and again. One that completes next to nothing hangs, and says nothing about what it can do when it does not. */
static void step_trust(struct window *w, const struct tick *t, double most, bool overloaded)
{
	if (!window_has(w, WINDOW_PART_TRUST))
		return;
	if (overloaded && t->saturation < UNSATURATED && w->completed_ew > TRUST_LEAST * most)
		smooth_step(&w->trust, w->completed_ew / most, t->dt, 0.7);
	else if (!overloaded)
		smooth_step(&w->trust, 1, t->dt, t->refusing ? 60.0 : 20.0);
	w->trust = clamp_double(w->trust, TRUST_LEAST, 1);
}

/* Xcap: what the server can complete a second. */
static void step_capacity(struct window *w, struct tick *t, double good)
{
	double cost = job_cost(w, t), x = w->completed_ew, most;
	/* A standing accept queue is an overload too: sessions that were refused late wait in it, and in no T. */
	bool overloaded = (t->time > TIME_BAD || t->slots_short) && w->busy_ew >= BUSY_LEAST;
	bool hold = t->in->now_us < w->hold_until_us;

	w->view.cpu_per_job_s = cost;
	most = CORES_USABLE * t->cores / (cost > 0 ? cost : JOB_GUESS_S);
	if (cost < 0 && w->jobs_seen >= JOBS_FOR_COST)
		most = 2 * x + 20; /* no CPU figure to be had: feel the way upwards */
	if (w->capacity == 0)
		w->capacity = most;
	step_trust(w, t, most, overloaded);
	most *= w->trust;
	if (overloaded) {
		smooth_step(&w->capacity, x, t->dt, 0.7);
	} else if (t->saturation >= SATURATED) {
		/* Loaded, but by whom? While mail's own time is good that is not for us to cut. */
		if (t->time > good && w->busy_ew >= BUSY_LEAST)
			smooth_step(&w->capacity, x, t->dt, 4.0);
	} else if (!hold) {
		bool eager = t->time < good && t->saturation < UNSATURATED && t->refusing;

		smooth_step(&w->capacity, fmax(most, x), t->dt,
			    eager	  ? 0.7
			    : t->refusing ? 5.0
					  : 1.0);
	}
	if (x > w->capacity)
		w->capacity = x;
	if (w->capacity < 1)
		w->capacity = 1;
}

/* k: what the prediction missed. */
static void step_factor(struct window *w, const struct tick *t, double target)
{
	double in_flight = t->in->load->in_flight, ticks = t->dt / 0.1;
	bool vetoed =
		t->in->now_us < w->supervisor.vetoed_until_us || t->in->now_us < w->hold_until_us;

	if (t->refusing && !vetoed && t->saturation < UNSATURATED && t->time < target &&
	    in_flight > 0.85 * w->view.window)
		w->factor *= pow(1.05, ticks);
	else if (t->time > 1.3 * target && w->busy_ew >= BUSY_LEAST &&
		 in_flight <= 1.15 * w->view.window)
		w->factor *= pow(0.98, ticks);
	else
		smooth_step(&w->factor, 1, t->dt, 5.0);
	w->factor = clamp_double(w->factor, FACTOR_LEAST, FACTOR_MOST);
	if (!window_has(w, WINDOW_PART_FACTOR))
		w->factor = 1;
}

/* Z. A server that is plainly idle while its window is full of sessions waiting for their senders must not be shut by them:
 * there the sessions open now are believed before they have finished. */
static double think_time(struct window *w, const struct tick *t, double target)
{
	double z = w->think_guess > 0 ? w->think_guess : THINK_GUESS_S, n = t->in->load->in_flight;
	bool idle = (t->time < TIME_GOOD || w->busy_ew < BUSY_LEAST) &&
		    t->saturation < UNSATURATED && !t->slots_short &&
		    !is_greeting_late(w, t); /* they wait for the server */

	if (w->jobs_seen >= JOBS_FOR_COST && w->think_jobs > 0.05)
		z = w->think_sum / w->think_jobs;
	if (idle && window_has(w, WINDOW_PART_THINK) &&
	    (t->refusing || n > 0.7 * w->factor * w->capacity * (target + w->time_base + z)))
		smooth_step(&w->think_open,
			    fmax(0, (n - w->busy_ew) / fmax(w->completed_ew, 1) - z), t->dt,
			    TAU_OPEN);
	else
		smooth_step(&w->think_open, 0, t->dt, TAU_OPEN);
	return fmin(z + w->think_open, 3600);
}

/* How many of the window wait for their senders varies by the square root of their number: so much more must be at the server, or
 * it runs dry at times (square-root staffing). In server time. */
static double spread_time(const struct window *w)
{
	double away = w->view.think_time_s + w->time_base;

	if (!window_has(w, WINDOW_PART_SPREAD) || w->capacity <= 0)
		return 0;
	return fmin(SPREAD * sqrt(away / w->capacity), TIME_SPREAD_MOST);
}

static double capacity_law(struct window *w, struct tick *t)
{
	double good = t->io > t->cpu ? TIME_GOOD_DISK : TIME_GOOD, rho, target;

	good = fmax(good, spread_time(w));
	t->time = server_time(w, t);
	step_capacity(w, t, good);
	rho = w->offered_ew / w->capacity;
	target = good + (TIME_OBJECTIVE - good) * exp(-fmax(0, rho - 1.1) / 0.15);
	step_factor(w, t, target);
	w->view.target_time_s = target;
	w->view.think_time_s = think_time(w, t, target);
	w->view.capacity_per_s = w->capacity;
	return w->factor * w->capacity * (target + w->time_base + w->view.think_time_s);
}

/* Growth of the window that brought no more completions is vetoed for a while. */
static void supervise(struct window *w, const struct tick *t)
{
	if (!window_has(w, WINDOW_PART_SUPERVISOR))
		return;
	if (w->supervisor.since_us == 0 || t->in->now_us - w->supervisor.since_us >= SUPERVISE_US) {
		if (w->supervisor.since_us != 0 && t->refusing &&
		    w->view.window > 1.1 * w->supervisor.window &&
		    w->completed_slow < 1.02 * w->supervisor.completed)
			w->supervisor.vetoed_until_us = t->in->now_us + VETO_US;
		w->supervisor.since_us = t->in->now_us;
		w->supervisor.window = w->view.window;
		w->supervisor.completed = w->completed_slow;
	}
}

/* Whether the mail server has little part in what the machine does: by its CPU time where that is known, else by how far it
 * is from what it has been seen to do. */
static bool has_little_part(const struct window *w, const struct tick *t)
{
	const struct sample *s = t->in->sample;

	/* On a disk, or of memory, CPU time says nothing: there it is what each moves and holds. */
	if (t->in->pressure->driver == RESOURCE_DISK && sample_has(s, SIGNAL_MTA_IO_BYTES_PER_S) &&
	    sample_has(s, SIGNAL_NEIGHBOUR_IO_BYTES_PER_S))
		return s->value[SIGNAL_MTA_IO_BYTES_PER_S] <
		       0.5 * s->value[SIGNAL_NEIGHBOUR_IO_BYTES_PER_S];
	if (t->in->pressure->driver == RESOURCE_MEMORY && sample_has(s, SIGNAL_MTA_MEM_BYTES) &&
	    sample_has(s, SIGNAL_NEIGHBOUR_MEM_BYTES))
		return s->value[SIGNAL_MTA_MEM_BYTES] < 0.5 * s->value[SIGNAL_NEIGHBOUR_MEM_BYTES];
	if (sample_has(s, SIGNAL_MTA_CPU_CORES) && sample_has(s, SIGNAL_CPU_BUSY_RATIO))
		return s->value[SIGNAL_MTA_CPU_CORES] <
		       0.5 * s->value[SIGNAL_CPU_BUSY_RATIO] * w->config.cores;
	return t->time >= 0 && t->time < TIME_GOOD && !t->refusing &&
	       w->completed_ew < 0.5 * w->capacity;
}

/* Whether the pressure is somebody else's: the machine is over its objective for two seconds, and not through mail. */
static void judge_foreign(struct window *w, const struct tick *t)
{
	const struct pressure *p = t->in->pressure;
	bool over = p->any_known && p->driver != RESOURCE_SMTP && p->combined > 1;

	if (!over || !has_little_part(w, t)) {
		w->foreign_since_us = 0;
		w->view.foreign = false;
		return;
	}
	if (w->foreign_since_us == 0)
		w->foreign_since_us = t->in->now_us;
	w->view.foreign = t->in->now_us - w->foreign_since_us >= FOREIGN_US;
}

/* Which inputs are there; losing one that was stops growth for a while. */
static void watch_inputs(struct window *w, const struct tick *t)
{
	uint32_t seen = t->in->load->known | (t->saturation >= 0 ? 1u << 8 : 0) |
			(sample_has(t->in->sample, SIGNAL_MTA_CPU_CORES) ? 1u << 9 : 0) |
			(sample_has(t->in->sample, SIGNAL_MEM_AVAILABLE_BYTES) ? 1u << 10 : 0);

	if (w->seen & ~seen && window_has(w, WINDOW_PART_HOLD))
		w->hold_until_us = t->in->now_us + HOLD_US;
	w->seen = seen;
}

/* What drives, in the words of a reason: the stall nearest to its target, the server itself where none is near. */
static enum reason name_reason(const struct tick *t)
{
	double cpu = t->cpu / SATURATED, io = t->io / SATURATED, memory = t->memory / 0.2;
	double nic =
		t->in->pressure->known[RESOURCE_NIC] ? t->in->pressure->resource[RESOURCE_NIC] : 0;

	if (memory >= 1 && memory >= cpu && memory >= io)
		return REASON_MEMORY;
	if (io >= 0.5 && io >= cpu)
		return REASON_DISK;
	if (cpu >= 0.5)
		return REASON_CPU;
	return nic >= 1 ? REASON_NIC : REASON_SMTP;
}

static void set_open(struct window *w, struct plan_service *ret)
{
	w->view.law = LAW_OPEN;
	w->view.window = -1;
	w->view.reason = REASON_NONE;
	w->view.hard_binds = w->view.queue_binds = false;
	w->view.queue_allowed_per_s = -1;
	ret->window = ret->waiting_max = ret->rate_milli = PLAN_UNLIMITED;
	ret->burst_milli = 0;
	ret->late_us = 0;
	ret->reason = REASON_NONE;
}

/* How long a greeting is waited for. Nothing is refused late before an unloaded greeting was seen; and where nobody at all gets
 * through within it, it may be the server's way of late (a greet wait, DNS lists): then it is waited for longer and longer,
 * else nobody would ever learn. On an idle machine that goes on until nearly all get through, for such a wait varies. */
static uint32_t late_us(struct window *w, const struct tick *t)
{
	double base_us = t->in->connect_220_base_us;
	double share = t->refusing && is_greeting_late(w, t) ? LATE_SHARE_IDLE : LATE_SHARE;
	bool nobody = w->admitted_ew > 0.5 && w->completed_ew < share * w->admitted_ew;

	if (nobody)
		w->late_stretch *= exp2(t->dt / LATE_DOUBLES_S);
	else
		smooth_step(&w->late_stretch, 1, t->dt, LATE_RELAX_S);
	w->late_stretch = clamp_double(w->late_stretch, 1, LATE_STRETCH_MOST);
	if (base_us <= 0 || !window_has(w, WINDOW_PART_LATE))
		return 0;
	return (uint32_t)fmin(w->config.banner_objective_us * w->late_stretch + 3 * base_us, 4e9);
}

/* How many may come at once: what of the window is the server's own part. They are all served within the time that the law aims
 * at, so that it is long while there is no overload, and short in one. The rest of a window is sessions that wait for their
 * senders, who do not come all at once. */
static double burst(const struct window *w)
{
	return w->factor * w->capacity * (w->view.target_time_s + w->time_base);
}

static void write_plan(struct window *w, const struct tick *t, struct plan_service *ret)
{
	double x = fmax(w->capacity, w->completed_ew);
	/* A greet wait that is new shows in T before it is taken for the unloaded greeting. */
	double base_s =
		fmax(t->in->connect_220_base_us / 1e6, is_greeting_late(w, t) ? w->time_base : 0);

	ret->window = (uint32_t)(w->view.window + 0.5);
	ret->reason = (uint8_t)w->view.reason;
	if (w->view.law == LAW_CAPACITY) {
		ret->rate_milli = (uint32_t)fmin(1000 * (BUCKET_SHARE * x + 3), 4e9);
		ret->burst_milli = (uint32_t)fmin(1000 * fmax(5, burst(w)), 4e9);
		ret->waiting_max = (uint32_t)fmin(fmax(8, x * (0.25 + 3 * base_s)), 1e6);
		ret->late_us = late_us(w, t);
		if (!window_has(w, WINDOW_PART_PACING))
			ret->rate_milli = PLAN_UNLIMITED;
		if (!window_has(w, WINDOW_PART_WAITING))
			ret->waiting_max = PLAN_UNLIMITED;
	} else {
		ret->rate_milli = ret->waiting_max = PLAN_UNLIMITED;
		ret->burst_milli = 0;
		ret->late_us = 0;
	}
}

void window_step(struct window *w, const struct window_input *in, struct plan_service *ret_service)
{
	struct tick t = { .in = in, .dt = clamp_double(in->dt_s, 0.001, 5), .time = -1 };
	const uint32_t dialogue = LOAD_COMPLETED | LOAD_BUSY | LOAD_IN_FLIGHT;
	enum reason hard_reason = REASON_SMTP;
	double wanted;

	t.cores = fmax(sample_get(in->sample, SIGNAL_MTA_CORES, w->config.cores), 0.05);
	if (in->blind || !(in->load->known & (LOAD_IN_FLIGHT | LOAD_OFFERED))) {
		w->primed = false;
		set_open(w, ret_service);
		judge_foreign(w, &t); /* said all the same, where it can be known */
		return;
	}
	if (!w->primed) {
		w->last = *in->load;
		w->primed = true;
	}
	t.slots_short = sample_get(in->sample, SIGNAL_ACCEPT_QUEUE_RATIO, 0) > 0.1;
	read_saturation(&t, window_has(w, WINDOW_PART_CORES));
	read_load(w, &t);
	if (t.saturation >= 0) {
		if (w->saturation_seen)
			smooth_step(&w->view.saturation, t.saturation, t.dt, TAU_SATURATION);
		else
			w->view.saturation = t.saturation;
		t.saturation = w->view.saturation;
	} else {
		w->view.saturation = -1;
	}
	w->saturation_seen = t.saturation >= 0;
	watch_inputs(w, &t);
	w->view.law = w->config.law != LAW_AUTO			 ? w->config.law
		      : (in->load->known & dialogue) == dialogue ? LAW_CAPACITY
								 : LAW_SERVO;
	wanted = w->view.law == LAW_CAPACITY ? capacity_law(w, &t) : window_servo(w, &t);
	window_learn_memory(w, &t);
	w->view.hard =
		window_has(w, WINDOW_PART_HARD) ? window_hard_limit(w, &t, &hard_reason) : -1;
	wanted = clamp_double(wanted, w->config.least, WINDOW_MOST);
	w->view.hard_binds = w->view.hard >= 0 && w->view.hard < wanted;
	w->view.window = w->view.hard_binds ? w->view.hard : wanted;
	w->view.reason = w->view.hard_binds ? hard_reason : name_reason(&t);
	w->view.refusing = t.refusing;
	w->view.factor = w->factor;
	w->view.completed_per_s = w->completed_ew;
	w->view.offered_per_s = w->offered_ew;
	w->view.admitted_per_s = w->admitted_ew;
	supervise(w, &t);
	judge_foreign(w, &t);
	write_plan(w, &t, ret_service);
	window_bind_queue(w, &t, ret_service);
	w->last = *in->load;
}

uint32_t window_part_by_name(const char *names)
{
	static const char *const parts[] = {
#define X(id, name) name,
		WINDOW_PART_TABLE(X)
#undef X
	};
	uint32_t found = 0;

	while (*names) {
		size_t n = strcspn(names, "+");
		uint32_t bit = 0;

		for (int i = 0; i < WINDOW_PART__COUNT; i++)
			if (strlen(parts[i]) == n && strncmp(parts[i], names, n) == 0)
				bit = 1u << i;
		if (!bit)
			return 0;
		found |= bit;
		names += n + (names[n] == '+');
	}
	return found;
}

const char *window_law_name(enum window_law law)
{
	static const char *const names[] = { "auto", "capacity", "servo", "open" };

	return names[law];
}
