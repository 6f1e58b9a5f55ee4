/* The process without privilege that mail servers ask (asked_wire.h), as penstockd sees it. It is
 * started once a front is open, and gets the listening sockets of each front. Its questions go to
 * the fronts, and their verdicts back to it. If it crashes, hangs or is taken over by an attacker,
 * it is started again, and no tick waits for it. Meanwhile the fronts close connections of mail
 * servers. */
#ifndef PENSTOCK_FRONT_ASKED_HELPER_H
#define PENSTOCK_FRONT_ASKED_HELPER_H

#include "front/asked_wire.h"

struct asked_helper;
struct event_base;

/* A front, as the process needs it. */
struct asked_served {
	enum asked_kind kind;
	int fds[LISTENERS_MAX]; /* the process accepts on these */
	unsigned count;
	const struct asked_served_ops *ops;
};

struct asked_served_ops {
	/* The settings that the process needs, as configured now. */
	void (*opening)(const struct asked_served *front, struct asked_opening *ret);
	/* False: deferred, and `reply` (REPLY_MAX + 1) gets "451 4.3.2 SENTENCE". */
	bool (*admits)(struct asked_served *front, const struct asked_question *question,
		       char *reply);
	void (*trouble)(struct asked_served *front, const struct asked_trouble *trouble);
	/* True: there is no process, and mail servers must not wait for it. False: there is one
	 * again. */
	void (*turn_away)(struct asked_served *front, bool away);
};

/* Starts nothing yet. NULL: out of memory. */
struct asked_helper *asked_helper_open(struct event_base *base);
/* NULL is fine. */
void asked_helper_close(struct asked_helper *helper);
/* Adds a front that has its sockets. The next step starts the process, if this is the first front.
 * The caller keeps the front alive until asked_helper_remove(). */
void asked_helper_add(struct asked_helper *helper, struct asked_served *front);
void asked_helper_remove(struct asked_helper *helper, struct asked_served *front);
/* The configuration changed; the front's part of it may have changed, too. */
void asked_helper_changed(struct asked_helper *helper, const struct asked_served *front);
/* Once a tick. */
void asked_helper_step(struct asked_helper *helper, uint64_t now_us);
/* False: it ended and was not started again yet; mail servers that ask are turned away. */
bool asked_helper_is_up(const struct asked_helper *helper);

/* For the fuzzer: penstockd's side of the channel gets one message of the process. 0, or -EBADMSG:
 * the process never sends that. */
int asked_helper_take(struct asked_helper *helper, const void *bytes, size_t length);

#endif
