/* The capacity law: Xcap, what the server can complete a second; how far its prediction is to be
 * trusted; Z, the time in which sessions wait for their senders; and W of all these. See the head
 * of window.c. */
#include "core/window_parts.h"

/* CPU seconds a job, -1: not known yet. */
static double job_cost(struct window *w, const struct tick *t)
{
	struct job *job = &w->job;

	if (!sample_has(t->in->sample, SIGNAL_MTA_CPU_CORES))
		return -1;
	smooth_step(&job->cpu, t->in->sample->value[SIGNAL_MTA_CPU_CORES], t->dt, TAU_COST_S);
	if (!window_has(w, WINDOW_PART_PREDICTION))
		return -1;
	if (w->rates.jobs >= JOBS_FOR_COST && w->rates.completed_slow >= COST_MIN_PER_S)
		job->cost = job->cpu / w->rates.completed_slow;
	else if (w->rates.jobs >= JOBS_FOR_COST)
		return -1;
	return job->cost > 0 ? job->cost : -1;
}

/* How far the prediction holds. A server that is over its knee while the machine is not loaded has
 * a bound of its own (one thread, a lock, a remote service): what it does complete is remembered,
 * so that the prediction does not lead there again and again. One that completes next to nothing
 * hangs, and says nothing about what it can do when it does not. */
static void step_trust(struct window *w, const struct tick *t, double most, bool over)
{
	double *trust = &w->capacity.trust, fast = w->rates.completed,
	       slow = w->rates.completed_slow;

	if (!window_has(w, WINDOW_PART_TRUST))
		return;
	/* What was made of completions with the wrong unloaded time is void. */
	if (t->confined)
		smooth_step(trust, 1, t->dt, TRUST_VOID_S);
	if (over && t->machine < MACHINE_PRESSED && fast > TRUST_MIN * most)
		smooth_step(trust, fast / most, t->dt, TRUST_FALLS_S);
	else if (over && t->io > t->cpu && slow > TRUST_MIN * most)
		smooth_step(trust, slow / most, t->dt, TRUST_FALLS_S);
	else if (!over)
		smooth_step(trust, 1, t->dt, t->refusing ? TRUST_RISES_REFUSING_S : TRUST_RISES_S);
	*trust = clamp_double(*trust, TRUST_MIN, 1);
}

/* What is admitted now is completed a session later: what moves faster than that chases its own
 * echo, and completions of less than that are those of a burst. By the figures of the tick
 * before. */
static void step_lag(struct window *w, const struct tick *t)
{
	double session_s = w->view.target_time_s + w->unloaded.time_s + w->view.think_time_s;

	w->capacity.lag_s = clamp_double(session_s, LAG_MIN_S, LAG_MAX_S);
	smooth_step(&w->rates.completed_lag, t->completed, t->dt,
		    fmax(w->capacity.lag_s, TAU_RATE_S));
}

/* What the disk has not been seen to carry is not believed, however much CPU is left: twice what it
 * would carry if stalls grew with the messages. They do where each has a commit of its own; where
 * commits are shared it carries more, and is believed step by step. */
static double disk_bound(struct window *w, const struct tick *t)
{
	if (t->io < 0 || w->rates.jobs < JOBS_FOR_COST)
		return INFINITY;
	smooth_step(&w->job.io, t->io, t->dt, TAU_COST_S);
	if (w->job.io <= 0)
		return INFINITY;
	return DISK_AHEAD * w->rates.completed_slow / w->job.io + DISK_MIN_PER_S;
}

/* What the CPU of a job predicts, before it is known how far that holds. */
static double predicted(struct window *w, const struct tick *t)
{
	double cost = job_cost(w, t), most;

	w->view.cpu_per_job_s = cost;
	most = CORES_USABLE * t->cores / (cost > 0 ? cost : JOB_GUESS_S);
	if (cost < 0 && w->rates.jobs >= JOBS_FOR_COST) /* no CPU figure: feel the way upwards */
		most = AHEAD_BLIND * w->rates.completed_lag + AHEAD_BLIND_PER_S;
	return fmin(most, disk_bound(w, t));
}

/* Xcap: what the server can complete a second. */
static void step_capacity(struct window *w, const struct tick *t, double good_s)
{
	struct capacity *c = &w->capacity;
	double x = w->rates.completed_lag, most = predicted(w, t), seen;
	double quick_s = fmax(c->lag_s / 2, QUICK_MIN_S);
	bool eager = t->time < good_s && t->machine < MACHINE_PRESSED && t->refusing;

	if (c->per_s == 0)
		c->per_s = most;
	w->view.regime = window_regime(w, t, good_s);
	step_trust(w, t, most, w->view.regime == REGIME_OVER);
	seen = fmax(most * c->trust, x);
	switch (w->view.regime) {
	case REGIME_OVER:
		smooth_step(&c->per_s, x, t->dt, quick_s);
		break;
	case REGIME_CLOSING:
		smooth_step(&c->per_s, x, t->dt, CLOSING_S);
		break;
	case REGIME_CAPPED:
	case REGIME_FREE:
		if (w->view.regime == REGIME_CAPPED)
			seen = fmin(seen, c->per_s);
		smooth_step(&c->per_s, seen, t->dt,
			    eager	  ? quick_s
			    : t->refusing ? OPENING_REFUSING_S
					  : OPENING_S);
		break;
	default:
		break;
	}
	c->per_s = fmax(fmax(c->per_s, x), CAPACITY_MIN_PER_S);
}

/* Z. A server that is plainly idle while its window is full of sessions waiting for their senders
 * must not be shut by them: there the sessions open now are believed before they have finished. */
static double think_time(struct window *w, const struct tick *t, double target)
{
	struct think *think = &w->think;
	double z = think->guess > 0 ? think->guess : THINK_GUESS_S, n = t->in->load->in_flight;
	bool idle = (t->time < TIME_GOOD_S || w->rates.busy < BUSY_MIN) &&
		    t->machine < MACHINE_PRESSED && !(t->server & SERVER_SHORT_OF_SLOTS) &&
		    !(t->server & SERVER_GREETS_LATE); /* they wait for the server */
	/* Those open came in by the one and go out by the other; while they are on their way in,
	 * nothing comes out yet. */
	double passing = fmax(w->rates.completed_lag, w->rates.admitted), open = 0;

	if (w->rates.jobs >= JOBS_FOR_COST && think->jobs > THINK_MIN_PER_S)
		z = think->sum / think->jobs;
	if (idle && window_has(w, WINDOW_PART_THINK) &&
	    (t->refusing || n > THINK_FROM * w->capacity.per_s * (target + w->unloaded.time_s + z)))
		open = fmax(0, (n - w->rates.busy) / fmax(passing, 1) - z);
	smooth_step(&think->open, open, t->dt, THINK_OPEN_S);
	return fmin(z + think->open, THINK_MAX_S);
}

/* How many of the window wait for their senders varies by the square root of their number: so much
 * more must be at the server, or it runs dry at times (square-root staffing). In server time. */
static double spread_time(const struct window *w)
{
	double away = w->view.think_time_s + w->unloaded.time_s;

	if (!window_has(w, WINDOW_PART_SPREAD) || w->capacity.per_s <= 0)
		return 0;
	return fmin(SPREAD * sqrt(away / w->capacity.per_s), TIME_SPREAD_MAX_S);
}

/* So long may be waited in front of the server: up to the objective while the queue there comes and
 * goes; next to not at all where the load is above capacity for long, or by so much that the room
 * is full anyway. A refused sender comes back in five minutes; one who waits for a second does not
 * even notice. So a queue that comes and goes is borne, in front of the server where it costs no
 * process, and one that stands is not (CoDel's distinction). */
static double step_patience(struct window *w, const struct tick *t)
{
	struct patience *p = &w->patience;
	double objective_s = w->config.wait_objective_us / US_IN_S, excess, room_s;
	double could = w->view.passing_per_s; /* by the figures of the tick before */
	bool full, over;

	smooth_step(&p->offered, t->offered, t->dt, TAU_OFFERED_S);
	excess = p->offered / (could > 0 ? could : w->capacity.per_s) - 1;
	/* Where the window has been full for as long as a session takes, what is completed is what
	 * the server can do now, whatever is thought of it. */
	full = w->view.window >= 0 && t->in->load->in_flight >= FULL * w->view.window;
	p->full_s = full ? p->full_s + t->dt : 0;
	over = excess > LASTS_OVER - 1 ||
	       (p->full_s > w->capacity.lag_s && p->offered > LASTS_OVER * w->rates.completed_lag);
	p->lasts_s = clamp_double(p->lasts_s + (over ? 1 : -LASTS_FORGETS) * t->dt, 0, LASTS_S + 1);
	room_s = EXCESS_MAX * objective_s;
	p->excess_s = clamp_double(
		p->excess_s + (excess > LASTS_OVER - 1 ? excess : -LASTS_FORGETS) * t->dt, 0,
		room_s + 1);
	over = p->lasts_s >= LASTS_S || p->excess_s >= room_s ||
	       (excess >= STEEP && p->excess_s >= STEEP_EXCESS * objective_s);
	return over ? SHORT_WAIT_S : objective_s;
}

double window_capacity_law(struct window *w, struct tick *t)
{
	bool disk = t->io > t->cpu;
	double good = disk ? TIME_GOOD_DISK_S : TIME_GOOD_S;
	double objective = disk ? TIME_OBJECTIVE_DISK_S : TIME_OBJECTIVE_S, calm, target;

	good = fmax(good, spread_time(w));
	t->time = window_server_time(w, t);
	step_lag(w, t);
	step_capacity(w, t, good);
	calm = exp(-fmax(0, w->rates.offered / w->capacity.per_s - CALM_UNTIL) / CALM_FADES);
	/* Never less while nothing presses than in an overload: where commits are shared, or many
	 * are away, `good` is the longer. */
	target = good + fmax(0, objective - good) * calm;
	w->view.target_time_s = target;
	w->view.patience_s = step_patience(w, t);
	w->view.think_time_s = think_time(w, t, target);
	w->view.capacity_per_s = w->capacity.per_s;
	w->view.unloaded_s = w->unloaded.time_s;
	w->view.equation = w->capacity.per_s * (target + w->view.unloaded_s + w->view.think_time_s);
	return w->view.equation;
}
