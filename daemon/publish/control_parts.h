/* The inside of the control socket, shared by the two files that are it: control.c (the socket and who is connected) and
 * control_calls.c (what may be called). */
#ifndef PENSTOCK_PUBLISH_CONTROL_PARTS_H
#define PENSTOCK_PUBLISH_CONTROL_PARTS_H

#include <event2/bufferevent.h>

#include "publish/control.h"
#include "publish/varlink.h"

struct client {
	struct control *control;
	struct client *next, **previous;
	struct bufferevent *stream;
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
	unsigned count;
	int level, state, mode; /* last told to watchers */
};

/* Answers a call: with `parameters`, which it takes over, or with `error` and them. Nothing is said to a call that wants no answer. */
void control_reply(struct client *client, const struct varlink_call *call, const char *error,
		   json_t *parameters, bool continues);
/* Runs the method that was called, or says why not. */
void control_call(struct client *client, const struct varlink_call *call);

#endif
