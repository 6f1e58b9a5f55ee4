/* The capacity law: Xcap, what the server can complete a second; how far its prediction is to be trusted; Z, the time in
 * which sessions wait for their senders; and W of all these. See the head of window.c. */
#include "core/smooth.h"
#include "core/window_parts.h"

#define TAU_OPEN 0.5 /* s */
/* Server time above its unloaded part, s. */
#define TIME_GOOD_DISK 0.40 /* group commit wants more in flight */
#define SPREAD 2.0 /* standard deviations */
#define TIME_SPREAD_MOST 0.40
/* While nothing presses. A step of the load fills what it finds open before the next tick, and makes a server fork: with .5 the real
 * Postfix took .7 s, with .25 .40, with .20 .35; .15 refuses the crests of a load below capacity. */
#define TIME_OBJECTIVE 0.20
#define CORES_USABLE 0.97 /* of a core goes into sessions at the knee */
#define JOB_GUESS_S 0.005 /* CPU of a job before any was seen */
#define THINK_GUESS_S 0.2
#define DISK_AHEAD 2.0
#define DISK_LEAST 20.0 /* a second: so much is tried by any disk */
#define LAG_LEAST_S 0.4
#define LAG_MOST_S 4.0

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

/* How far the prediction holds. A server that is over its knee while the machine is not loaded has a bound of its own (one
 * thread, a lock, a remote service): what it does complete is remembered, so that the prediction does not lead there again
 * and again. One that completes next to nothing hangs, and says nothing about what it can do when it does not. */
static void step_trust(struct window *w, const struct tick *t, double most, bool overloaded)
{
	if (!window_has(w, WINDOW_PART_TRUST))
		return;
	if (overloaded && t->saturation < UNSATURATED && w->completed_ew > TRUST_LEAST * most)
		smooth_step(&w->trust, w->completed_ew / most, t->dt, 0.7);
	else if (overloaded && t->io > t->cpu && w->completed_slow > TRUST_LEAST * most)
		smooth_step(&w->trust, w->completed_slow / most, t->dt, 0.7);
	else if (!overloaded)
		smooth_step(&w->trust, 1, t->dt, t->refusing ? 60.0 : 20.0);
	w->trust = clamp_double(w->trust, TRUST_LEAST, 1);
}

/* What is admitted now is completed a session later: whatever moves faster than that chases its own echo, and completions of
 * less than that are those of a burst. By the figures of the tick before. */
static void step_lag(struct window *w, const struct tick *t)
{
	w->lag_s = clamp_double(w->view.target_time_s + w->time_base + w->view.think_time_s,
				LAG_LEAST_S, LAG_MOST_S);
	smooth_step(&w->completed_lag, t->completed, t->dt, fmax(w->lag_s, TAU_RATE));
}

/* What the disk has not been seen to carry is not believed, however much CPU is left: twice what it would carry if stalls grew with
 * the messages. They do where each has a commit of its own; where commits are shared it carries more, and is believed step by step. */
static double disk_bound(struct window *w, const struct tick *t)
{
	if (t->io < 0 || w->jobs_seen < JOBS_FOR_COST)
		return INFINITY;
	smooth_step(&w->io_slow, t->io, t->dt, TAU_COST);
	return DISK_AHEAD * w->completed_slow / fmax(w->io_slow, 1e-3) + DISK_LEAST;
}

/* Xcap: what the server can complete a second. */
static void step_capacity(struct window *w, struct tick *t, double good)
{
	double cost = job_cost(w, t), x = w->completed_lag, most;
	double quick_s = fmax(w->lag_s / 2, 0.7);
	/* A standing accept queue is an overload too: sessions that were refused late wait in it, and in no T. Not one that a step of
	 * the load left: a server that forks takes a moment to get at it, and what is completed meanwhile was begun before the step. */
	bool standing = w->short_s > fmax(w->lag_s, TAU_RATE);
	bool overloaded = (t->time > TIME_BAD || standing) && w->busy_ew >= BUSY_LEAST;
	bool hold = t->in->now_us < w->hold_until_us || t->slots_short;

	w->view.cpu_per_job_s = cost;
	most = CORES_USABLE * t->cores / (cost > 0 ? cost : JOB_GUESS_S);
	if (cost < 0 && w->jobs_seen >= JOBS_FOR_COST)
		most = 2 * x + 20; /* no CPU figure to be had: feel the way upwards */
	most = fmin(most, disk_bound(w, t));
	if (w->capacity == 0)
		w->capacity = most;
	step_trust(w, t, most, overloaded);
	most *= w->trust;
	if (overloaded) {
		smooth_step(&w->capacity, x, t->dt, quick_s);
	} else if (t->saturation >= SATURATED) {
		/* Loaded, but by whom? While mail's own time is good that is not for us to cut. */
		if (!window_has(w, WINDOW_PART_FOREIGN) ||
		    (t->time > good && w->busy_ew >= BUSY_LEAST))
			smooth_step(&w->capacity, x, t->dt, 4.0);
	} else {
		bool eager = t->time < good && t->saturation < UNSATURATED && t->refusing;
		double seen = fmax(most, x);

		smooth_step(&w->capacity, hold ? fmin(seen, w->capacity) : seen, t->dt,
			    eager	  ? quick_s
			    : t->refusing ? 5.0
					  : 1.0);
	}
	if (x > w->capacity)
		w->capacity = x;
	if (w->capacity < 1)
		w->capacity = 1;
}

/* Z. A server that is plainly idle while its window is full of sessions waiting for their senders must not be shut by them:
 * there the sessions open now are believed before they have finished. */
static double think_time(struct window *w, const struct tick *t, double target)
{
	double z = w->think_guess > 0 ? w->think_guess : THINK_GUESS_S, n = t->in->load->in_flight;
	bool idle = (t->time < TIME_GOOD || w->busy_ew < BUSY_LEAST) &&
		    t->saturation < UNSATURATED && !t->slots_short &&
		    !window_is_greeting_late(w, t); /* they wait for the server */
	/* Those open came in by the one and go out by the other; while they are on their way in, nothing comes out yet. */
	double passing = fmax(w->completed_lag, w->admitted_ew);

	if (w->jobs_seen >= JOBS_FOR_COST && w->think_jobs > 0.05)
		z = w->think_sum / w->think_jobs;
	if (idle && window_has(w, WINDOW_PART_THINK) &&
	    (t->refusing || n > 0.7 * w->capacity * (target + w->time_base + z)))
		smooth_step(&w->think_open, fmax(0, (n - w->busy_ew) / fmax(passing, 1) - z), t->dt,
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

double window_capacity_law(struct window *w, struct tick *t)
{
	double good = t->io > t->cpu ? TIME_GOOD_DISK : TIME_GOOD, rho, target;

	good = fmax(good, spread_time(w));
	t->time = window_server_time(w, t);
	step_lag(w, t);
	step_capacity(w, t, good);
	rho = w->offered_ew / w->capacity;
	/* Never less while nothing presses than in an overload: where commits are shared, or many are away, `good` is the longer. */
	target = good + fmax(0, TIME_OBJECTIVE - good) * exp(-fmax(0, rho - 1.1) / 0.15);
	w->view.target_time_s = target;
	w->view.think_time_s = think_time(w, t, target);
	w->view.capacity_per_s = w->capacity;
	return w->capacity * (target + w->time_base + w->view.think_time_s);
}
