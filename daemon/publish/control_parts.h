/* The inside of the control socket, shared by the two files that are it: control.c (the socket and
 * who is connected) and control_calls.c (what may be called). */
#ifndef PENSTOCK_PUBLISH_CONTROL_PARTS_H
#define PENSTOCK_PUBLISH_CONTROL_PARTS_H

#include <event2/bufferevent.h>

#include "publish/control.h"
#include "publish/varlink.h"

struct client {
	struct control *control;
	struct client *next, **previous;
	struct bufferevent *stream;
	struct event *again; /* goes on with its calls after a pause */
	uid_t uid;
	unsigned calls; /* in this turn of the loop */
	bool privileged, watching, closing;
};

struct control {
	struct event_base *base;
	struct evconnlistener *listener;
	const struct control_ops *ops;
	void *context;
	char path[CONFIG_PATH_MAX + 16]; /* empty: a socket unit's, not ours to remove */
	gid_t group;
	bool group_known;
	struct client *clients;
	unsigned count, others; /* all; those that may change nothing */
	struct event *resume; /* accepting, after a pause */
	unsigned accepted; /* since the last one */
	/* CPU time that answers to others may still take (us); and when it was last added to
	 * (CLOCK_MONOTONIC) */
	int64_t allowance_us;
	uint64_t allowed_us;
	struct status shown; /* the picture for others */
	int level, state, mode; /* last told to watchers */
};

/* Answers a call: with `parameters`, which it takes over, or with `error` and them. Nothing is said
 * to a call that wants no answer. */
void control_reply(struct client *client, const struct varlink_call *call, const char *error,
		   json_t *parameters, bool continues);
/* The picture that a client may see. */
const struct status *control_picture(struct client *client);
/* Whether one more client of this user may watch. */
bool control_may_watch(const struct client *client);
/* Runs the method that was called, or says why not. */
void control_call(struct client *client, const struct varlink_call *call);

#endif
