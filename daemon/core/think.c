/* Z: the time in which sessions wait for their senders. */
#include "core/window_parts.h"

/* What finished sessions spent waiting for their senders, a job. */
void think_read(struct think *think, const struct observation *o)
{
	smooth_step(&think->sum, o->thought, o->dt, TAU_COST_S);
	smooth_step(&think->jobs, o->completed, o->dt, TAU_COST_S);
}

/* Z. A server that is plainly idle while its window is full of sessions waiting for their senders
 * must not be shut by them: there the sessions open now are believed before they have finished. */
double think_step(struct think *think, const struct observation *o, const struct rates *r,
		  const struct capacity *capacity, double server_s)
{
	double z = think->guess > 0 ? think->guess : THINK_GUESS_S, n = o->in->load->in_flight;
	bool idle = (o->time < TIME_GOOD_S || r->busy < BUSY_MIN) && o->machine < MACHINE_PRESSED &&
		    !(o->server & SERVER_SHORT_OF_SLOTS) &&
		    !(o->server & SERVER_GREETS_LATE); /* they wait for the server */
	/* Those open came in by the one and go out by the other; while they are on their way in,
	 * nothing comes out yet. */
	double passing = fmax(capacity->completed_lag, r->admitted), open = 0;

	if (r->jobs >= JOBS_FOR_COST && think->jobs > THINK_MIN_PER_S)
		z = think->sum / think->jobs;
	if (idle && window_has(o->config, WINDOW_PART_THINK) &&
	    (o->refusing || n > THINK_FROM * capacity->per_s * (server_s + z)))
		open = fmax(0, (n - r->busy) / fmax(passing, 1) - z);
	smooth_step(&think->open, open, o->dt, THINK_OPEN_S);
	return fmin(z + think->open, THINK_MAX_S);
}
