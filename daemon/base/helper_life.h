/* The life of a helper process (base/helper.h), as its parent sees it. It is started with one end
 * of a channel. It is ended when the channel breaks, when it says what it never says, or when it is
 * silent for too long; and started again after a pause. The journal says so each time. What is said
 * over the channel is the owner's business, and so is our end of it.
 *
 * Nothing here waits but helper_life_stop(), for HELPER_LEAVE_US at most. So the process can crash,
 * hang or be taken over by an attacker while the tick goes on. */
#ifndef PENSTOCK_BASE_HELPER_LIFE_H
#define PENSTOCK_BASE_HELPER_LIFE_H

#include "base/heartbeat.h"
#include "base/helper.h"

/* What distinguishes one kind of process; stays the caller's. */
struct helper_kind {
	const char *name; /* in the list of processes, at most 15 characters */
	const char *argument; /* with which it is started: not for people */
	const char *does; /* for the log: "answers HTTP" */
	const char *meanwhile; /* a sentence for the log: what its absence means */
	int channel; /* type of the socketpair(), beside SOCK_CLOEXEC */
	/* It is ended when so many heartbeats passed without a sign of it; 0: the owner finds that
	 * out by itself. `silent` is the clause for the log. */
	unsigned beats_max;
	const char *silent;
};

struct helper_events {
	/* The process was started, and `channel` is our end: the owner's from now on, on failure
	 * too. 0 or -errno: then the process is ended. */
	int (*up)(void *context, int channel, uint64_t now_us);
	/* The process is gone, or could not be started: close the channel. `why` is a clause. */
	void (*down)(void *context, const char *why);
	/* Ask it for a sign of life now. NULL: it gives signs unasked. */
	void (*ask)(void *context);
};

/* All zeros, but for kind, events and context: it was never started. */
struct helper_life {
	const struct helper_kind *kind;
	const struct helper_events *events;
	void *context;
	/* What the process gets beside the channel, which is the first; the others stay the
	 * owner's and open. */
	int fds[HELPER_FDS];
	unsigned count; /* without the channel; at most HELPER_FDS - 1 */
	struct helper helper;
	struct heartbeat beat;
	bool up; /* it was started, and its end has not been noted */
	bool broken; /* it is to be ended */
	char why[64]; /* why; empty: its exit status says more */
};

/* Starts it. 0 or -errno, which is not in the log yet. helper_life_step() does that by itself. */
int helper_life_start(struct helper_life *life, uint64_t now_us);
/* Once a tick, while the process is wanted. True: it ended since the last call. */
bool helper_life_step(struct helper_life *life, uint64_t now_us);
/* Ends the process in the next step. The first reason is kept: the process was ended because of
 * it. May be called while the channel is in use. */
void helper_life_break(struct helper_life *life, const char *why);
/* Whether there is a process to talk to. */
static inline bool helper_life_talks(const struct helper_life *life)
{
	return life->up && !life->broken;
}
/* It said that it is ready; see helper_begun(). */
void helper_life_begun(struct helper_life *life, uint32_t missing_errno);
/* It said something. */
static inline void helper_life_heard(struct helper_life *life)
{
	heartbeat_heard(&life->beat);
}
/* Ends the process, and waits shortly until it has closed its descriptors; down() is not called.
 * The next step would start it again at once. */
void helper_life_stop(struct helper_life *life);
/* How often it was started again. */
static inline uint64_t helper_life_restarts(const struct helper_life *life)
{
	return life->helper.starts ? life->helper.starts - 1 : 0;
}

#endif
