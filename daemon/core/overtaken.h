/* Finds sessions that are stuck: the server owes them something, and they do not wait for it in a
 * queue. A queue serves the session that came first, so only a few sessions are overtaken in it.
 * When the server waits for another party (the client's name server, or the client itself), all
 * later sessions overtake that one, and a smaller window would not shorten its wait. So such a
 * session is no load, however busy the machine is.
 *
 * A session that waits for its greeting is overtaken by greetings. A session that waits for an
 * answer is overtaken by jobs (core/smtp_track.h) and not by answers: an answer may take a
 * millisecond or seconds, and a job has some of each. A server that passes messages on to a slow
 * filter, or stores many of them in one commit, gives quick answers in between; these overtake no
 * session.
 *
 * The figures are in law.h. The kernel's probe has the same ones (bpf/shared.h). */
#ifndef PENSTOCK_CORE_OVERTAKEN_H
#define PENSTOCK_CORE_OVERTAKEN_H

#include <stdbool.h>
#include <stdint.h>

/* The greetings of one service. All zeros: none yet. */
struct greetings {
	uint64_t given; /* to sessions that had not been overtaken */
	uint32_t waiting; /* sessions that wait for their greeting and have not been overtaken */
};

/* A session begins to wait. Returns the value of `given` at which it is overtaken. */
uint64_t greetings_begin(struct greetings *greetings);
/* A session that had not been overtaken stops waiting: it is greeted, or leaves, or is overtaken
 * now. */
void greetings_end(struct greetings *greetings, bool greeted);
/* Whether so many later sessions were greeted first. `due`: what greetings_begin() returned. */
static inline bool greetings_overtaken(const struct greetings *greetings, uint64_t due)
{
	return greetings->given >= due;
}

/* Both bounds (jobs and time) grow when sessions that were taken for stuck turn out to wait for
 * their turn. This is the unit of `more`. */
#define BOUNDS_ONCE 4096u

/* The answers of one service. All zeros: none yet. */
struct answers {
	uint64_t jobs; /* done */
	/* Both bounds are multiplied by 1 + more / BOUNDS_ONCE. Each session that was stuck and
	 * then got its answer raises this by half, and each job lowers it by one part in
	 * BOUNDS_FADE_JOBS. If more than one job in a hundred takes so long (a slow filter, a
	 * server that serves by priority), these sessions do wait for their turn, and the bounds
	 * grow. */
	uint32_t more;
};

/* The state of the service when a session began to wait. */
struct ask {
	uint64_t jobs; /* done by then */
	uint32_t before; /* sessions that the server owed something by then */
};

void answers_job(struct answers *answers);
/* A session that was stuck got its answer. */
void answers_late(struct answers *answers);
static inline struct ask answers_ask(const struct answers *answers, uint64_t busy)
{
	return (struct ask){ answers->jobs, busy < UINT32_MAX ? (uint32_t)busy : UINT32_MAX };
}
/* Whether the jobs done since then have overtaken the session. */
bool answers_overtaken(const struct answers *answers, const struct ask *ask);
/* After this time a waiting session is stuck, even if none overtook it. */
uint64_t answers_long_us(const struct answers *answers);
/* After this time it is slow. */
uint64_t answers_slow_us(const struct answers *answers);
/* Whether `slow` slow sessions of a source that has `sessions` of those in flight are more than
 * count as load: a client could hold many of them on purpose. A source that has most of the
 * sessions is the load. */
bool answers_slow_is_no_load(uint64_t slow, uint64_t sessions, uint64_t in_flight);

#endif
