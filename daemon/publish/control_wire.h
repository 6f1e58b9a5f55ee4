/* What the processes that parse the calls of control.sock ask penstockd over their channels
 * (publish/channel.h): for documents, and to carry out orders. Fixed records: foreign bytes end in
 * the process, but for the reason of a drain, which is only shown.
 *
 * 	clients --Varlink--> penstockd-admin, penstockd-users --question--> penstockd
 * 	                              (no privilege) <--document---
 *
 * penstockd accepts each connection, learns from the kernel who is there (SO_PEERCRED), and passes
 * it on: connections of root and the group of control.group to penstockd-admin, all others to
 * penstockd-users. The channel of penstockd-users takes no order. So what another user sends is
 * never parsed where an order can come from, and an intruder in penstockd-users can look and
 * nothing else. A client of penstockd-admin may do anyway what it could do by taking it over.
 */
#ifndef PENSTOCK_PUBLISH_CONTROL_WIRE_H
#define PENSTOCK_PUBLISH_CONTROL_WIRE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "publish/answers.h"
#include "publish/channel.h"
#include "publish/control_ops.h"

#define CONTROL_ARGUMENT "--control-process" /* of penstockd: not for people */

#define CONTROL_REASON_MAX 96 /* octets of a drain's reason, with its NUL */
/* a longer drain is not possible, only one without an end */
#define CONTROL_DRAIN_MAX_S (31 * 86400)
#define CONTROL_STEP_MAX_S 86400
#define CONTROL_SOURCES_MAX 1000 /* in one answer */

enum control_what {
	/* every user may ask */
	CONTROL_STATUS,
	CONTROL_CHANGE, /* level, state and driver; also told without a question when they change */
	CONTROL_EXPLAIN,
	CONTROL_HISTORY,
	/* only root and the group may ask */
	CONTROL_SOURCES,
	CONTROL_DRAIN,
	CONTROL_RESUME,
	CONTROL_MODE,
	CONTROL_RELOAD,
	CONTROL__COUNT,
	CONTROL_SPIN /* in the build that tests the watchdog */
};

/* The answer is 0 with the JSON of the reply's parameters (empty: none), or -errno with a sentence
 * (empty: the errno says enough). */
struct control_question {
	struct channel_question head; /* `what`: enum control_what */
	union {
		struct {
			uint32_t known; /* 0: the host only */
			struct in6_addr address;
		} explain;
		struct {
			uint64_t since_s, until_s; /* CLOCK_REALTIME: [since, until) */
			uint32_t step_s; /* 1 to CONTROL_STEP_MAX_S */
		} history;
		struct {
			uint32_t sort; /* enum source_sort */
			uint32_t most; /* 1 to CONTROL_SOURCES_MAX */
		} sources;
		struct {
			uint64_t for_s; /* up to CONTROL_DRAIN_MAX_S; 0: until it is ended */
			char reason[CONTROL_REASON_MAX]; /* empty: none */
		} drain;
		uint32_t mode; /* enum plan_mode */
	};
};

/* Sent with the descriptor of each connection, over a second pair of sockets: the door. */
struct control_caller {
	uint32_t uid;
	uint32_t privileged; /* 0 or 1 */
};

/* Passes a connection to the process. False: the door is full. `fd` stays the caller's. */
bool control_pass_on(int door, int fd, struct control_caller caller);
/* Why a connection is not served. */
enum control_why {
	CONTROL_FULL, /* every place is taken */
	CONTROL_AWAY, /* there is no process, and there will be none soon */
};
/* Writes the reason without waiting, and closes. For both sides. */
void control_turn_away(int fd, enum control_why why);

struct event_base;
struct control_process;

/* Opens the process's side. It owns both descriptors from now on. 0 or -errno. */
int control_process_open(struct event_base *base, int channel, int door,
			 struct control_process **ret_process);
/* The whole of that process: argv of main(). Returns an exit status. */
int control_process_main(int argc, char **argv);

/* penstockd's side; its context is a struct control_desk. */
struct control_desk {
	bool privileged; /* the process may see everything, and give orders */
	const struct control_ops *ops;
	void *context;
	struct status shown; /* the snapshot for other users */
};
extern const struct answers_kind control_answers_admin, control_answers_users;
/* The snapshot that the process may see. */
const struct status *control_snapshot(struct control_desk *desk);

#endif
