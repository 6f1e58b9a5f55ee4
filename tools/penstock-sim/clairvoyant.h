/* How many connections must be refused, whatever decides. It knows the plant, the arrivals and the
 * future of a server that may let senders wait up to the objective (accepted within 10 s, greeted
 * within 2 s; a second in an overload that lasts). What a law refuses beyond that is its regret.
 * Pure.
 *
 * For each tick (100 ms) it knows: messages that come, and their mean size; what CPUs (after the
 * neighbours, after what the run's own refusals cost, below the knee), shared commits and the
 * filter behind the queue can do; how many sessions fit (slots, memory); how long an unloaded
 * session takes; what a process costs that must be forked, and how long an idle one is kept.
 *
 * It serves messages in order of arrival, since all are alike; idle capacity is lost. A message
 * that has waited 2 s in front gets a place at the server, if there is one, and waits there, which
 * may cost a process. It does that or refuses the message, whichever is better. Messages that still
 * wait at the end count as refused. Two simplifications are in its favour: a message may come and
 * be done in the same tick, and all sessions have the same length. */
#ifndef PENSTOCK_SIM_CLAIRVOYANT_H
#define PENSTOCK_SIM_CLAIRVOYANT_H

#include <stdint.h>

#define CLAIRVOYANT_TICK_S 0.1
#define CLAIRVOYANT_ACCEPTED_S 10.0 /* a message within so long of its connection */
#define CLAIRVOYANT_GREETED_S 2.0
/* An overload lasts if in each of so many seconds more came than so many times what could be done.
 * Then a message waits at most so long. */
#define CLAIRVOYANT_LASTS_S 5.0
#define CLAIRVOYANT_OVERLOAD 1.1
#define CLAIRVOYANT_LASTING_S 1.0

struct clairvoyant_tick {
	uint32_t arrived; /* connections */
	float size; /* sum of their sizes; the mean of all messages is 1 */
	float jobs; /* messages of size 1 that can be worked on in this tick */
	float places; /* sessions that fit at once */
	float session_s; /* time of a session on an unloaded server */
	float fork_jobs; /* forking a process costs as much as so many messages */
	float idle_s; /* how long an idle process is kept; 0: for ever */
};

/* Fills in ret_refused[] (`ticks` of them, by the tick of arrival) and returns the sum. */
uint64_t clairvoyant_refused(const struct clairvoyant_tick *tick, uint32_t ticks,
			     uint32_t *ret_refused);

#endif
