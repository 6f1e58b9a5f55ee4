/* The inside of a process that parses the calls of control.sock. Its files: control_process.c
 * (connections), control_calls.c (the methods) and control_client.c (a call and its client). For
 * these files only. */
#ifndef PENSTOCK_PUBLISH_CONTROL_PROCESS_PARTS_H
#define PENSTOCK_PUBLISH_CONTROL_PROCESS_PARTS_H

#include <event2/bufferevent.h>

#include "publish/control_wire.h"
#include "publish/varlink.h"

struct client {
	struct control_process *process;
	struct client *next, **previous;
	struct bufferevent *stream;
	struct event *again; /* goes on with its calls after a pause */
	uid_t uid;
	unsigned calls; /* in this turn of the loop */
	uint32_t asked; /* id of the question to penstockd that is on its way, 0: none */
	bool privileged, watching, closing;
	/* Flags of the call that the question is for. */
	bool oneway, more;
};

struct control_process {
	struct event_base *base;
	struct asker *asker;
	int door;
	struct event *visitor; /* the door is readable */
	struct client *clients;
	unsigned count;
	uint32_t ids; /* the last id of a question */
	/* CPU time that parsing for other users may still take (us), and when some was last added
	 * (CLOCK_MONOTONIC) */
	int64_t allowance_us;
	uint64_t allowed_us;
};

/* ---- control_client.c */
/* Answers a call with `parameters`, which it takes over, or with `error` and them. Sends nothing
 * for a call that wants no answer. */
void control_reply(struct client *client, const struct varlink_call *call, const char *error,
		   json_t *parameters);
/* Asks penstockd on behalf of the call, and answers the call with its answer. Meanwhile nothing is
 * read from the client. */
void control_ask(struct client *client, const struct varlink_call *call,
		 struct control_question *question);
/* Answers that the call was refused, by penstockd or here. `reason` empty: `r` gives the reason. */
void control_refuse(struct client *client, bool oneway, int r, const char *reason);
/* Whether one more client of this user may watch. */
bool control_may_watch(const struct client *client);
/* How many clients a user has; `watching`: how many of them watch. */
unsigned control_of_user(const struct control_process *process, uid_t uid, bool watching);

/* ---- control_calls.c */
/* Runs the method that was called, or answers why not. */
void control_call(struct client *client, const struct varlink_call *call);

#endif
