/* Whether a process beside this one still answers. Every two seconds it is asked for a sign of
 * life. Signs that do not come are counted and not timed: all processes of this host may have been
 * frozen for a while. */
#ifndef PENSTOCK_BASE_HEARTBEAT_H
#define PENSTOCK_BASE_HEARTBEAT_H

#include "base/clock.h"

#define HEARTBEAT_US (2 * US_PER_S)

struct heartbeat {
	uint64_t asked_us; /* CLOCK_MONOTONIC */
	unsigned unanswered;
};

enum heartbeat_due { HEARTBEAT_NOT_YET, HEARTBEAT_ASK, HEARTBEAT_DEAD };

/* Call it when the process starts. */
static inline void heartbeat_begin(struct heartbeat *h, uint64_t now_us)
{
	*h = (struct heartbeat){ .asked_us = now_us };
}

/* The process sent something. */
static inline void heartbeat_heard(struct heartbeat *h)
{
	h->unanswered = 0;
}

/* Once a tick. HEARTBEAT_ASK: ask it now. HEARTBEAT_DEAD: it has not answered `unanswered_max`
 * times before. */
static inline enum heartbeat_due heartbeat_step(struct heartbeat *h, uint64_t now_us,
						unsigned unanswered_max)
{
	if (now_us - h->asked_us < HEARTBEAT_US)
		return HEARTBEAT_NOT_YET;
	h->asked_us = now_us;
	return h->unanswered++ >= unanswered_max ? HEARTBEAT_DEAD : HEARTBEAT_ASK;
}

#endif
