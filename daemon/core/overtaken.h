/* Sessions to which the server owes something, and that do not wait for it in a queue. A queue
 * serves first the session that came first, so few overtake a session in it. When the server waits
 * for another party (the client's name server does not answer, say, or the client itself), all
 * later sessions overtake that one, and a smaller window would not shorten its wait. So it is not
 * load, however busy the machine is: it is stuck.
 *
 * Who waits for a greeting is overtaken by greetings. Who waits for an answer is overtaken by jobs
 * (core/smtp_track.h): an answer may take a millisecond or seconds, and a job has some of each, so
 * that a server that passes messages on to a slow filter, or that stores many of them in one
 * commit, overtakes nobody with the quick answers in between. */
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

/* A session that waits for an answer is stuck after this time, too: where all sessions
 * wait, none is overtaken. */
#define OWED_LONG_US 10000000u
/* Both bounds are a multiple of this, by what was seen to be wrong. */
#define BOUNDS_ONCE 4096u
#define BOUNDS_MORE_MAX (29 * BOUNDS_ONCE)

/* Of one service. Begins as zeros. */
struct answers {
	uint64_t jobs; /* done */
	/* The bounds are taken 1 + more / BOUNDS_ONCE times. This rises by half with each session
	 * that was stuck and then got its answer, and falls by 1/256 with each job: where more than
	 * one job in a hundred takes so long (a slow filter, a server that serves by priority),
	 * these do wait for their turn. */
	uint32_t more;
};

/* Since when a session waits. */
struct ask {
	uint64_t jobs; /* done then */
	uint32_t before; /* so many sessions were owed something then */
};

void answers_job(struct answers *answers);
/* One that was stuck has its answer. */
void answers_late(struct answers *answers);
static inline struct ask answers_ask(const struct answers *answers, uint64_t busy)
{
	return (struct ask){ answers->jobs, busy < UINT32_MAX ? (uint32_t)busy : UINT32_MAX };
}
/* Whether so many jobs were done meanwhile. */
bool answers_overtaken(const struct answers *answers, const struct ask *ask);
/* After what time a session that waits is stuck, however many overtook it. */
static inline uint64_t answers_long_us(const struct answers *answers)
{
	return OWED_LONG_US + (uint64_t)OWED_LONG_US * answers->more / BOUNDS_ONCE;
}

#endif
