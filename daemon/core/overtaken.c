#include "core/overtaken.h"

/* What is overtaken by as many as waited before it, and by so many more, does not wait for its
 * turn: by fewer it may be chance. */
#define OVERTAKEN_MIN 8

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
