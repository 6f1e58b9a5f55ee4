/* All of showing as one part: the picture of the last tick, what is kept of it for later (the
 * history, the last seconds), and who is told (the journal, the control socket, HTTP). */
#ifndef PENSTOCK_PUBLISH_PUBLISHING_H
#define PENSTOCK_PUBLISH_PUBLISHING_H

#include "publish/picture.h"

struct event_base;
struct history;
struct orders;
struct publishing;
struct registry;

/* All pointers stay the caller's and outlive it. */
struct publishing_env {
	struct event_base *base;
	/* What the picture is of; journal, lately and outlets are publishing's own. */
	struct picture_parts parts;
	struct sources *sources; /* of parts, to be told that a record was taken */
	struct history *history;
	struct orders *orders;
	/* Reads the configuration again. 0, or -errno with a sentence in `why` (256): then the one
	 * in force stays. */
	int (*reload)(void *context, char *why);
	void *context;
};

/* 0 or -ENOMEM. What cannot be opened is tried again once a tick. */
int publishing_open(const struct publishing_env *env, struct publishing **ret_publishing);
/* NULL is fine. */
void publishing_close(struct publishing *publishing);
/* Another configuration is about to be in force: until the next tick the picture stays that of the
 * last. */
void publishing_hold(struct publishing *publishing);
/* It is in force: HTTP moves where its addresses changed. */
void publishing_configure(struct publishing *publishing, uint64_t now_us);
/* The configuration was read again, and is in force if it was `ok`. */
void publishing_reloaded(struct publishing *publishing, bool ok, uint64_t realtime_us);
/* Once a tick, when the plan has gone out. */
void publishing_step(struct publishing *publishing, const struct registry *registry,
		     uint64_t now_us, uint64_t realtime_us);

#endif
