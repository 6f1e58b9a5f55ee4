/* What the process that answers HTTP asks of penstockd over its channel (publish/channel.h):
 * documents. And the memory that both see, and that only penstockd may write. */
#ifndef PENSTOCK_PUBLISH_HTTP_WIRE_H
#define PENSTOCK_PUBLISH_HTTP_WIRE_H

#include <stdint.h>

#include "config/config.h"
#include "core/engine.h"
#include "publish/answers.h"
#include "publish/channel.h"
#include "publish/documents.h"

#define HTTP_ARGUMENT "--http-process" /* of penstockd: not for people */

struct http_question {
	struct channel_question head; /* `what`: enum document */
	uint32_t span_s; /* of the history */
};

struct http_shared {
	uint64_t beat_us; /* of the last tick, CLOCK_MONOTONIC */
	uint64_t tick; /* grows with each */
	uint32_t state; /* enum engine_state */
	uint32_t kind; /* enum http_kind */
	char names[4 * CONFIG_PATH_MAX]; /* host names to which it answers, see hosts_allow() */
};

struct event_base;
struct http_process;

/* The side of the process that has no privilege. `fds`: the channel, the shared memory, the
 * listening sockets; it owns them from now on. 0 or -errno. */
int http_process_open(struct event_base *base, const struct http_shared *shared, const int *fds,
		      unsigned count, struct http_process **ret_process);
void http_process_close(struct http_process *process);
/* The whole of that process: argv of main(). Returns an exit status. */
int http_process_main(int argc, char **argv);

/* penstockd's side of the channel; `context` is a struct http_desk. */
struct http_desk {
	enum http_kind kind;
	const struct control_ops *ops;
	void *context;
};
extern const struct answers_kind http_answers;

#endif
