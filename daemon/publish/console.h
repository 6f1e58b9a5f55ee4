/* What people may ask of the running daemon over the control socket and HTTP
 * (publish/control_ops.h), passed on to the parts that carry it out. */
#ifndef PENSTOCK_PUBLISH_CONSOLE_H
#define PENSTOCK_PUBLISH_CONSOLE_H

#include "publish/control_ops.h"

struct history;
struct orders;
struct snapshot;
struct sources;

/* All pointers stay the caller's. */
struct console {
	struct orders *orders;
	const struct sources *sources;
	const struct history *history; /* NULL: none is kept */
	const struct plan *plan;
	struct snapshot *snapshot;
	/* Reads the configuration again. 0, or -errno with a sentence in `why` (256): then the
	 * present one stays in force. */
	int (*reload)(void *context, char *why);
	void *context; /* of reload */
};

/* Their context is a struct console. */
extern const struct control_ops console_ops;

#endif
