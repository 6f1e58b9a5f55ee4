/* Xcap: what the server can complete a second, and how far the prediction of it is trusted. See
 * the head of window.c. */
#include "core/window_parts.h"

void job_restore(struct job *job, const struct window_warm *warm)
{
	if (warm_makes_sense(warm->cpu_per_job_s, WARM_CPU_MIN_S, WARM_CPU_MAX_S))
		job->cost = warm->cpu_per_job_s;
}

void capacity_init(struct capacity *c)
{
	c->trust = 1;
}

void capacity_restore(struct capacity *c, const struct window_warm *warm)
{
	if (warm_makes_sense(warm->capacity_per_s, WARM_RATE_MIN, WARM_RATE_MAX))
		c->per_s = warm->capacity_per_s;
	if (warm_makes_sense(warm->trust, TRUST_MIN, 1))
		c->trust = warm->trust;
}

/* What jobs use, smoothed. While the server drains nothing is learned: those that end now had their
 * CPU time before. Example: a server works off 500 sessions that wait for a filter, for 30 s; at
 * the end a job seemed to cost next to nothing, and the window was open. */
static void job_learn(struct job *job, const struct observation *o, const struct rates *r)
{
	if (job->cost > 0 && rates_drain(r))
		return;
	smooth_step(&job->completed, o->completed, o->dt, TAU_COST_S);
	if (sample_has(o->in->sample, SIGNAL_MTA_CPU_CORES))
		smooth_step(&job->cpu, o->in->sample->value[SIGNAL_MTA_CPU_CORES], o->dt,
			    TAU_COST_S);
	if (o->io >= 0 && r->jobs >= JOBS_FOR_COST)
		smooth_step(&job->io, o->io, o->dt, TAU_COST_S);
}

/* CPU seconds of a job; -1: not known yet. */
static double job_cost(struct job *job, const struct observation *o, const struct rates *r)
{
	if (!sample_has(o->in->sample, SIGNAL_MTA_CPU_CORES) ||
	    !window_has(o->config, WINDOW_PART_PREDICTION))
		return -1;
	if (r->jobs >= JOBS_FOR_COST && job->completed >= TELLS_MIN_PER_S)
		job->cost = job->cpu / job->completed;
	else if (r->jobs >= JOBS_FOR_COST)
		return -1;
	return job->cost > 0 ? job->cost : -1;
}

/* How far the prediction holds. A server that is over its knee while the machine is not loaded has
 * a bound of its own (one thread, a lock, a remote service). The law remembers what such a server
 * completes, so that the prediction does not lead there again and again. A server that completes
 * almost nothing hangs, and says nothing about what it can complete otherwise. */
static void step_trust(double *trust, const struct observation *o, const struct rates *r,
		       double most, bool over)
{
	double fast = r->completed, slow = r->completed_slow;

	if (!window_has(o->config, WINDOW_PART_TRUST))
		return;
	/* Forget a factor that was learned from completions with a wrong unloaded time. */
	if (o->confined)
		smooth_step(trust, 1, o->dt, TRUST_VOID_S);
	if (over && o->machine < MACHINE_PRESSED && fast > TRUST_MIN * most)
		smooth_step(trust, fast / most, o->dt, QUICK_MIN_S);
	else if (over && o->io > o->cpu && slow > TRUST_MIN * most)
		smooth_step(trust, slow / most, o->dt, QUICK_MIN_S);
	else if (!over)
		smooth_step(trust, 1, o->dt, o->refusing ? TRUST_RISES_REFUSING_S : TRUST_RISES_S);
	*trust = fmax(*trust, o->proven_per_s / most);
	*trust = clamp_double(*trust, TRUST_MIN, 1);
}

/* A session that is admitted now is completed one session time later. A law that reacts faster than
 * that oscillates, and completions counted over a shorter time may be those of one burst. Uses the
 * figures of the tick before. */
void lag_step(struct capacity *c, const struct observation *o, double unloaded_s)
{
	double session_s = o->before->target_time_s + unloaded_s + o->before->think_time_s;

	c->lag_s = fmin(session_s, LAG_MAX_S);
	smooth_step(&c->completed_lag, o->completed, o->dt, fmax(c->lag_s, TAU_RATE_S));
}

/* An upper bound for a disk, however much CPU is left: twice what it would carry if stalls grew in
 * proportion to the messages. They do if each message has a commit of its own. If messages share
 * commits, the disk carries more, and the bound follows in steps. */
static double disk_bound(const struct job *job, const struct observation *o, const struct rates *r)
{
	if (o->io < 0 || r->jobs < JOBS_FOR_COST || job->io <= 0)
		return INFINITY;
	return AHEAD * job->completed / job->io + AHEAD_PER_S;
}

/* The prediction from the CPU time of a job, before the factor `trust` is applied. */
struct prediction job_step(struct job *job, const struct observation *o, const struct rates *r,
			   double completed_lag, double *ret_cost_s)
{
	struct prediction p = { .cores = o->cores };
	double cost, disk;

	job_learn(job, o, r);
	cost = job_cost(job, o, r);
	*ret_cost_s = cost;
	p.by = cost > 0 ? PREDICTED_BY_CPU : PREDICTED_BY_GUESS;
	p.per_s = CORES_USABLE * o->cores / (cost > 0 ? cost : JOB_GUESS_S);
	if (cost < 0 && r->jobs >= JOBS_FOR_COST) { /* no CPU figure: go up in steps */
		p.by = PREDICTED_BY_STEPS;
		p.per_s = AHEAD * completed_lag + AHEAD_PER_S;
	}
	disk = disk_bound(job, o, r);
	if (disk < p.per_s)
		p.by = PREDICTED_BY_DISK;
	p.per_s = fmin(p.per_s, disk);
	return p;
}

/* Where Xcap goes, and how fast. `seen_per_s`: the larger of the prediction and what is
 * completed. */
static struct heading head_for(const struct capacity *c, const struct observation *o,
			       enum regime regime, double seen_per_s, double good_s)
{
	double quick_s = fmax(c->lag_s / 2, QUICK_MIN_S);
	bool eager = o->time < good_s && o->machine < MACHINE_PRESSED && o->refusing;
	struct heading h = { .per_s = c->per_s,
			     .least_per_s = fmax(fmax(c->completed_lag, o->proven_per_s), 1) };

	switch (regime) {
	case REGIME_OVER:
		h.per_s = c->completed_lag;
		h.time_s = quick_s;
		break;
	case REGIME_CLOSING:
		h.per_s = c->completed_lag;
		h.time_s = CLOSING_S;
		break;
	case REGIME_CAPPED:
	case REGIME_FREE:
		h.per_s = regime == REGIME_CAPPED ? fmin(seen_per_s, c->per_s) : seen_per_s;
		h.time_s = eager ? quick_s : o->refusing ? OPENING_REFUSING_S : OPENING_S;
		break;
	default:
		break;
	}
	return h;
}

/* Xcap: what the server can complete a second. */
void capacity_step(struct capacity *c, const struct observation *o, const struct rates *r,
		   enum regime regime, double most, double good_s)
{
	double seen;

	if (c->per_s == 0)
		c->per_s = most;
	step_trust(&c->trust, o, r, most, regime == REGIME_OVER);
	seen = fmax(most * c->trust, c->completed_lag);
	c->heading = head_for(c, o, regime, seen, good_s);
	if (c->heading.time_s > 0)
		smooth_step(&c->per_s, c->heading.per_s, o->dt, c->heading.time_s);
	c->per_s = fmax(c->per_s, c->heading.least_per_s);
}
