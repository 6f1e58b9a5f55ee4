/* Sessions that wait for their greeting, but not in a queue. A queue serves first the session that
 * came first, so few overtake a session in it. When the server waits for another party (the
 * client's name server does not answer, say), all later sessions overtake that one, and a smaller
 * window would not shorten its wait. So it is not load, however busy the machine is. */
#ifndef PENSTOCK_CORE_OVERTAKEN_H
#define PENSTOCK_CORE_OVERTAKEN_H

#include <stdbool.h>
#include <stdint.h>

/* What is overtaken by as many as waited before it, and by so many more, does not wait for its
 * turn: by fewer it may be chance. */
#define OVERTAKEN_MIN 8

/* Of one service. Begins as zeros. */
struct greetings {
	uint64_t given; /* to sessions that had not been overtaken */
	uint32_t waiting; /* sessions that wait for theirs, and have not been overtaken */
};

/* A session begins to wait. Returns how many greetings are given when it is overtaken. */
uint64_t greetings_begin(struct greetings *greetings);
/* One that has not been overtaken waits no more: it is greeted, or leaves, or is overtaken. */
void greetings_end(struct greetings *greetings, bool greeted);
/* Whether so many who came later were greeted first. `due`: of greetings_begin(). */
static inline bool greetings_overtaken(const struct greetings *greetings, uint64_t due)
{
	return greetings->given >= due;
}

#endif
