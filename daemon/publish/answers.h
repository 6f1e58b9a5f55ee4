/* penstockd's side of a channel (publish/channel.h): reads questions of a fixed size and writes
 * answers. The process that asks has no privilege and reads foreign bytes. So nothing that it says
 * is trusted, nothing waits for it, and the work that it may cause in a second is limited. */
#ifndef PENSTOCK_PUBLISH_ANSWERS_H
#define PENSTOCK_PUBLISH_ANSWERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct answers;
struct evbuffer;
struct event_base;

/* Of one kind of process; stays the caller's. */
struct answers_kind {
	size_t question; /* octets of one, at most CHANNEL_QUESTION_MAX */
	/* What answers may cost, in the kind's own unit: each second, and at once. */
	double work_per_s, work_most;
	/* Answers: 0 or -errno into `result`, and text behind it. Returns what it cost; below 0: it
	 * never asks that. */
	double (*answer)(void *context, const void *question, int *ret_result,
			 struct evbuffer *text);
};

struct answers_events {
	void (*begun)(void *context, uint32_t missing_errno);
	/* The other is gone, or said what it never says. The caller closes the channel, later. */
	void (*broken)(void *context, const char *why);
	void *context;
};

/* Takes the descriptor, on failure too. `context` is for the kind. NULL: out of memory. */
struct answers *answers_open(struct event_base *base, int fd, const struct answers_kind *kind,
			     void *context, const struct answers_events *events);
/* NULL is fine. */
void answers_close(struct answers *answers);
/* Once a tick. False: it has not said a word for too long. */
bool answers_step(struct answers *answers, uint64_t now_us);
/* Tells the process what it did not ask; `text` is drained. Not told to one that does not read. */
void answers_tell(struct answers *answers, uint32_t what, struct evbuffer *text);

#endif
