/* Z: the time in which sessions wait for their senders. */
#include "core/window_parts.h"

void think_restore(struct think *think, const struct window_warm *warm)
{
	if (warm_makes_sense(warm->think_time_s, WARM_CPU_MIN_S, TIME_MAX_S))
		think->guess = warm->think_time_s;
}

/* Sums up how long finished sessions waited for their senders, and the jobs. */
void think_read(struct think *think, const struct observation *o)
{
	smooth_step(&think->sum, o->thought, o->dt, TAU_COST_S);
	smooth_step(&think->jobs, o->completed, o->dt, TAU_COST_S);
}

/* If the server is clearly idle, and its window is full of sessions that wait for their senders,
 * these must not keep others out. Then Z also follows the open sessions, before they have ended. */
double think_step(struct think *think, const struct observation *o, const struct rates *r,
		  const struct capacity *capacity, double server_s)
{
	double z = think->guess > 0 ? think->guess : THINK_GUESS_S;
	double n = fmax(0, o->in->load->in_flight - o->in->load->stuck);
	bool idle = (o->time < TIME_GOOD_S || r->busy < BUSY_MIN) && o->machine < MACHINE_PRESSED &&
		    !(o->server & SERVER_SHORT_OF_SLOTS) &&
		    !(o->server & SERVER_GREETS_LATE); /* they wait for the server */
	/* The open sessions came at the rate of admissions and leave at the rate of completions.
	 * Right after a rise of the load none has completed, so the larger of the two is taken. */
	double passing = fmax(capacity->completed_lag, r->admitted), open = 0;

	if (r->jobs >= JOBS_FOR_COST && think->jobs > TELLS_MIN_PER_S)
		z = think->sum / think->jobs;
	if (idle && window_has(o->config, WINDOW_PART_THINK) &&
	    (o->refusing || n > THINK_FROM * capacity->per_s * (server_s + z)))
		open = fmax(0, (n - r->busy) / fmax(passing, 1) - z);
	smooth_step(&think->open, open, o->dt, THINK_OPEN_S);
	return fmin(z + think->open, TIME_MAX_S);
}
