/* What penstockd and the process that answers HTTP say to each other, over a pair of sockets: fixed
 * sizes, in order. And what both see in shared memory, which penstockd alone may write. Both are
 * the same program.
 *
 *	clients --HTTP--> penstockd-http --question--> penstockd
 *	                  (no privilege) <--document---
 */
#ifndef PENSTOCK_PUBLISH_HTTP_WIRE_H
#define PENSTOCK_PUBLISH_HTTP_WIRE_H

#include <stdint.h>

#include "config/config.h"
#include "core/engine.h"
#include "publish/documents.h"

#define HTTP_ARGUMENT "--http-process" /* of penstockd: not for people */

/* Beside the documents. */
enum http_word {
	HTTP_PING = DOCUMENT__COUNT, /* asked by penstockd, said again by the other */
	HTTP_BEGUN, /* by the other: it is ready; `value`: errno of the missing filter */
};

/* To penstockd. */
struct http_question {
	uint32_t what; /* enum document or http_word */
	uint32_t value; /* of the history: seconds */
};

/* To the other: then `length` octets. */
struct http_answer {
	uint32_t what;
	uint32_t length; /* 0: it could not be made */
};

#define HTTP_DOCUMENT_MAX (16u << 20) /* octets of one; a mistake beyond it */

struct http_shared {
	uint64_t beat_us; /* of the last tick, CLOCK_MONOTONIC */
	uint64_t tick; /* grows with each */
	uint32_t state; /* enum engine_state */
	uint32_t kind; /* enum http_kind */
	char names[4 * CONFIG_PATH_MAX]; /* by which it may be asked, see hosts_allow() */
};

struct event_base;
struct http_process;

/* The other side, in the process that has no privilege. `fds`: the channel, the shared memory, the
 * listening sockets; they are its own from now on. 0 or -errno. */
int http_process_open(struct event_base *base, const struct http_shared *shared, const int *fds,
		      unsigned count, struct http_process **ret_process);
void http_process_close(struct http_process *process);
/* The whole of that process: argv of main(). Returns an exit status. */
int http_process_main(int argc, char **argv);

/* This side of the channel, for http.c and the fuzzer: answers what is asked over it. */
struct http_answers;
struct http_answers_events {
	void (*begun)(void *context, uint32_t missing_errno);
	/* The other is gone, or said what it never says. */
	void (*broken)(void *context, const char *why);
	void *context;
};
/* Takes the descriptor, on failure too. NULL: out of memory. */
struct http_answers *http_answers_open(struct event_base *base, int fd, enum http_kind kind,
				       const struct control_ops *ops, void *context,
				       const struct http_answers_events *events);
void http_answers_close(struct http_answers *answers);
/* Once a tick. False: it has not said a word for too long. */
bool http_answers_step(struct http_answers *answers, uint64_t now_us);

#endif
