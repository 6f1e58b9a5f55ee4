#include "core/overtaken.h"

uint64_t greetings_begin(struct greetings *g)
{
	uint64_t before = g->waiting++;

	/* Those that waited before it are greeted first, which is no overtaking. */
	return g->given + before + before + OVERTAKEN_MIN;
}

void greetings_end(struct greetings *g, bool greeted)
{
	g->waiting--;
	g->given += greeted;
}

void answers_job(struct answers *a)
{
	a->jobs++;
	a->more -= a->more >> 8;
}

void answers_late(struct answers *a)
{
	a->more += (BOUNDS_ONCE + a->more) / 2;
	if (a->more > BOUNDS_MORE_MAX)
		a->more = BOUNDS_MORE_MAX;
}

bool answers_overtaken(const struct answers *a, const struct ask *ask)
{
	uint64_t done = a->jobs - ask->jobs, bound = (uint64_t)ask->before + OVERTAKEN_MIN;

	/* Those that waited before it are served first, which is no overtaking. */
	return done >= ask->before + bound + bound * a->more / BOUNDS_ONCE;
}
