/* Everything that shows penstock's state, as one part: the snapshot of the last tick, what is kept
 * of it for later (the history, the last seconds), and the outputs (the journal, the control
 * socket, HTTP). */
#ifndef PENSTOCK_PUBLISH_PUBLISHING_H
#define PENSTOCK_PUBLISH_PUBLISHING_H

#include "publish/snapshot.h"

struct event_base;
struct history;
struct orders;
struct publishing;
struct registry;

/* All pointers stay the caller's and outlive it. */
struct publishing_env {
	struct event_base *base;
	/* What the snapshot is of; journal, lately and outlets are publishing's own. */
	struct snapshot_parts parts;
	struct sources *sources; /* told when a record of the history was taken */
	struct history *history;
	struct orders *orders;
	/* Reads the configuration again. 0, or -errno with a sentence in `why` (256): then the
	 * present one stays in force. */
	int (*reload)(void *context, char *why);
	void *context;
};

/* 0 or -ENOMEM. What cannot be opened is tried again once a tick. */
int publishing_open(const struct publishing_env *env, struct publishing **ret_publishing);
/* NULL is fine. */
void publishing_close(struct publishing *publishing);
/* The configuration is about to change: keeps the snapshot of the last tick until the next one. */
void publishing_hold(struct publishing *publishing);
/* The new configuration is in force: HTTP moves if its addresses changed. */
void publishing_configure(struct publishing *publishing, uint64_t now_us);
/* The configuration was read again; `ok`: it is in force. */
void publishing_reloaded(struct publishing *publishing, bool ok, uint64_t realtime_us);
/* Once a tick, after the plan was published. */
void publishing_step(struct publishing *publishing, const struct registry *registry,
		     uint64_t now_us, uint64_t realtime_us);

#endif
