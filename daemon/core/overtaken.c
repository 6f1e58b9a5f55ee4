#include "core/overtaken.h"

uint64_t greetings_begin(struct greetings *g)
{
	uint64_t before = g->waiting++;

	/* Those before it are served first, and that is no overtaking. */
	return g->given + before + before + OVERTAKEN_MIN;
}

void greetings_end(struct greetings *g, bool greeted)
{
	g->waiting--;
	g->given += greeted;
}
