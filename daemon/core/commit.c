/* The constant part of a disk's time. When sessions wait for a disk, T0 is the part of T that does
 * not depend on the number of busy sessions. A commit that all sessions share takes as long for two
 * as for two hundred, so a smaller window would only get less done. The part that grows with the
 * busy sessions is a queue.
 *
 * The two parts are found by regression of T on the busy sessions, over several commits. T is that
 * of the sessions that have ended. Busy sessions over completions would not do: a commit completes
 * no session or a hundred, so that this is anything from half a commit to many. */
#include "core/window_parts.h"

/* Whether the disk or the load has changed, so that what was seen before no longer applies. */
static bool jumps(const struct commit *c, double time_s)
{
	return time_s > COMMIT_JUMPS * c->time_mean || time_s * COMMIT_JUMPS < c->time_mean;
}

static void regress(struct commit *c, double time_s, double dt)
{
	double busy_off, time_off, means_s;

	if (jumps(c, time_s))
		*c = (struct commit){ .time_s = c->time_s,
				      .busy = c->busy,
				      .busy_mean = c->busy,
				      .time_mean = time_s };
	/* Plain means at first, so that the first value has no more weight than the others. */
	c->seen_s += dt;
	means_s = fmin(c->seen_s, REGRESSION_S);
	busy_off = c->busy - c->busy_mean;
	time_off = time_s - c->time_mean;
	smooth_step(&c->busy_mean, c->busy, dt, means_s);
	smooth_step(&c->time_mean, time_s, dt, means_s);
	smooth_step(&c->variance, busy_off * busy_off, dt, means_s);
	smooth_step(&c->covariance, busy_off * time_off, dt, means_s);
}

/* The part of T that does not grow with the busy sessions, s. */
static double constant_part(const struct commit *c)
{
	return fmax(0, c->time_mean - fmax(0, c->covariance / c->variance) * c->busy_mean);
}

double commit_step(struct commit *c, const struct observation *o, const struct rates *r)
{
	double spread;

	smooth_step(&c->busy, o->busy, o->dt, TAU_COST_S);
	if (o->io <= o->cpu || o->server & SERVER_SHORT_OF_SLOTS || r->done < TELLS_MIN_PER_S ||
	    !window_has(o->config, WINDOW_PART_BASE))
		return c->time_s;
	regress(c, r->done_time / r->done, o->dt);
	spread = COMMIT_SPREAD * c->busy_mean;
	if (c->variance >= spread * spread && c->variance > 0)
		smooth_step(&c->time_s, constant_part(c), o->dt, BASE_FAST_S);
	/* this may be chance: a smaller window will show whether it comes again */
	else if (o->refusing)
		smooth_step(&c->time_s, 0, o->dt, COMMIT_FADES_S);
	return c->time_s;
}
