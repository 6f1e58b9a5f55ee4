/* Whether the pressure comes from other programs than mail. */
#include "core/window_parts.h"

/* Whether the mail server causes only a small part of the machine's load: by its CPU time where
 * that is known, else by how much less it does than it has done before. */
static bool has_little_part(const struct observation *o, const struct rates *rates,
			    const struct capacity *capacity)
{
	const struct sample *s = o->in->sample;

	/* For a disk or for memory CPU time says nothing: there the bytes count that each group
	 * moves or holds. */
	if (o->in->pressure->driver == RESOURCE_DISK) {
		double mail = sample_get(s, SIGNAL_MTA_IO_COST_BYTES_PER_S, -1);
		double neighbour = sample_get(s, SIGNAL_NEIGHBOUR_IO_BYTES_PER_S, -1);

		/* Some kernels count no I/O of a group without a limit: then all are 0. */
		if (mail > 0 || (mail == 0 && neighbour > 0))
			return mail < LITTLE_PART * neighbour;
	}
	if (o->in->pressure->driver == RESOURCE_MEMORY && sample_has(s, SIGNAL_MTA_MEM_BYTES) &&
	    sample_has(s, SIGNAL_NEIGHBOUR_MEM_BYTES))
		return s->value[SIGNAL_MTA_MEM_BYTES] <
		       LITTLE_PART * s->value[SIGNAL_NEIGHBOUR_MEM_BYTES];
	if (sample_has(s, SIGNAL_MTA_CPU_CORES) && sample_has(s, SIGNAL_CPU_BUSY_RATIO))
		return s->value[SIGNAL_MTA_CPU_CORES] <
		       LITTLE_PART * s->value[SIGNAL_CPU_BUSY_RATIO] * o->config->cores;
	return o->time >= 0 && o->time < TIME_GOOD_S && !o->refusing &&
	       rates->completed < LITTLE_PART * capacity->per_s;
}

/* Returns true while the machine is over its objective (for at least as long as it takes to enter a
 * level), and mail is not the cause. */
bool foreign_step(struct foreign *foreign, const struct observation *o, const struct rates *rates,
		  const struct capacity *capacity)
{
	const struct pressure *p = o->in->pressure;
	bool over = p->any_known && p->driver != RESOURCE_SMTP && p->combined > 1;

	if (!over || !has_little_part(o, rates, capacity)) {
		foreign->since_us = 0;
		return false;
	}
	if (foreign->since_us == 0)
		foreign->since_us = o->in->now_us;
	return o->in->now_us - foreign->since_us >= us_of(LEVEL_UP_S);
}
