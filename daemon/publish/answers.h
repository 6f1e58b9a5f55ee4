/* penstockd's side of a channel (publish/channel.h): reads questions of a fixed size and writes
 * answers. The process that asks has no privilege and reads foreign bytes. So it is not trusted,
 * nothing waits for it, and the work that it may cause in a second is limited. */
#ifndef PENSTOCK_PUBLISH_ANSWERS_H
#define PENSTOCK_PUBLISH_ANSWERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct answers;
struct evbuffer;
struct event_base;

/* What distinguishes one kind of process; stays the caller's. */
struct answers_kind {
	size_t question; /* octets of a question, at most CHANNEL_QUESTION_MAX */
	/* What answers may cost, in the kind's own unit: in a second, and at once. */
	double work_per_s, work_max;
	/* Answers a question: 0 or -errno into `result`, followed by text. Returns the cost; below
	 * 0: the process never asks that. */
	double (*answer)(void *context, const void *question, int *ret_result,
			 struct evbuffer *text);
	/* Whether the question is an order. Its answer is sent once the next tick is over, so that
	 * who has it sees the order in all that is asked from then on. NULL: no order is given. */
	bool (*is_order)(const void *question);
};

struct answers_events {
	void (*begun)(void *context, uint32_t missing_errno);
	/* The process is gone, or sent something that it never sends. The caller closes the
	 * channel, later. */
	void (*broken)(void *context, const char *why);
	void *context;
};

/* Takes the descriptor, on failure too. `context` is for the kind. NULL: out of memory. */
struct answers *answers_open(struct event_base *base, int fd, const struct answers_kind *kind,
			     void *context, const struct answers_events *events);
/* NULL is fine. */
void answers_close(struct answers *answers);
/* Once a tick, after the plan is published. False: the process has been silent for too long. */
bool answers_step(struct answers *answers, uint64_t now_us);
/* Sends the process a message that it did not ask for; drains `text`. Sends nothing to a process
 * that does not read. */
void answers_tell(struct answers *answers, uint32_t what, struct evbuffer *text);

#endif
