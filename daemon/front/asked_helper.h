/* The process without privilege that mail servers ask (asked_wire.h), as penstockd sees it: it is
 * started once a front is open, and gets the listening sockets of each; its questions go
 * to the fronts, their verdicts to it. It may crash, hang or be taken over: then it is started
 * again, and no tick waits for it. Meanwhile the fronts turn away who asks. */
#ifndef PENSTOCK_FRONT_ASKED_HELPER_H
#define PENSTOCK_FRONT_ASKED_HELPER_H

#include "front/asked_wire.h"

struct asked_helper;
struct event_base;

/* A front, as the process needs it. */
struct asked_served {
	enum asked_kind kind;
	int fds[LISTENERS_MAX]; /* it listens there */
	unsigned count;
	const struct asked_served_ops *ops;
};

struct asked_served_ops {
	/* What the process has to know of it, as it is configured now. */
	void (*opening)(const struct asked_served *front, struct asked_opening *ret);
	/* False: deferred, and `reply` (REPLY_MAX + 1) gets "451 4.3.2 SENTENCE". */
	bool (*admits)(struct asked_served *front, const struct asked_question *question,
		       char *reply);
	void (*trouble)(struct asked_served *front, const struct asked_trouble *trouble);
	/* There is no process: clients are not to wait for it. False: there is one again. */
	void (*turn_away)(struct asked_served *front, bool away);
};

/* Starts nothing yet. NULL: out of memory. */
struct asked_helper *asked_helper_open(struct event_base *base);
/* NULL is fine. */
void asked_helper_close(struct asked_helper *helper);
/* A front that has its sockets: the next step starts the process, if it is the first. It stays the
 * caller's, until asked_helper_remove(). */
void asked_helper_add(struct asked_helper *helper, struct asked_served *front);
void asked_helper_remove(struct asked_helper *helper, struct asked_served *front);
/* Another configuration is in force: its part of it may be another one. */
void asked_helper_changed(struct asked_helper *helper, const struct asked_served *front);
/* Once a tick. */
void asked_helper_step(struct asked_helper *helper, uint64_t now_us);
/* False: it ended, and is not there again; who asks is turned away. */
bool asked_helper_is_up(const struct asked_helper *helper);

/* penstockd's side of the channel, for the fuzzer: one message of the process. 0, or -EBADMSG: it
 * never says that. */
int asked_helper_take(struct asked_helper *helper, const void *bytes, size_t length);

#endif
