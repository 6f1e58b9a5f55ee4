#include "core/overtaken.h"

#include <math.h>

#include "core/law.h"

uint64_t greetings_begin(struct greetings *g)
{
	uint64_t before = g->waiting++;

	/* Those that waited before it are greeted first, which is no overtaking. */
	return g->given + before + before + (uint64_t)OVERTAKEN_MIN;
}

void greetings_end(struct greetings *g, bool greeted)
{
	g->waiting--;
	g->given += greeted;
}

void answers_job(struct answers *a)
{
	a->jobs++;
	a->more -= a->more / (uint32_t)BOUNDS_FADE_JOBS;
}

void answers_late(struct answers *a)
{
	const uint32_t most = BOUNDS_ONCE * (uint32_t)(BOUNDS_TIMES_MAX - 1);

	a->more += (BOUNDS_ONCE + a->more) / 2;
	if (a->more > most)
		a->more = most;
}

bool answers_overtaken(const struct answers *a, const struct ask *ask)
{
	uint64_t done = a->jobs - ask->jobs, bound = ask->before + (uint64_t)OVERTAKEN_MIN;

	/* Those that waited before it are served first, which is no overtaking. */
	return done >= ask->before + bound + bound * a->more / BOUNDS_ONCE;
}

uint64_t answers_long_us(const struct answers *a)
{
	uint64_t once_us = (uint64_t)(US_IN_S * OWED_LONG_S);

	return once_us + once_us * a->more / BOUNDS_ONCE;
}

uint64_t answers_slow_us(const struct answers *a)
{
	return answers_long_us(a) / (uint64_t)SLOW_PARTS;
}

bool answers_slow_is_no_load(uint64_t slow, uint64_t sessions, uint64_t in_flight)
{
	return slow > (uint64_t)fmax(SLOW_MIN, (double)(in_flight / (uint64_t)SLOW_SHARE)) &&
	       2 * sessions <= in_flight;
}
