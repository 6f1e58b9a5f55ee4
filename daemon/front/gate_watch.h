/* What may change under an open gate: its network namespace, and whether the mail server
 * listens. */
#ifndef PENSTOCK_FRONT_GATE_WATCH_H
#define PENSTOCK_FRONT_GATE_WATCH_H

#include "config/config.h"

struct gate_watch {
	int netns_fd; /* of the mail server */
	uint32_t netns; /* its inode */
	bool down; /* nothing listens on the port, and the responder has to say so */
	uint64_t looked_us, netns_looked_us;
};

/* Sets `down`, at most once a second. */
void gate_watch_listener(struct gate_watch *w, const struct config *config, unsigned service,
			 uint64_t now_us);
/* Whether the name now leads to another namespace, or to none; checked once a second. Containers
 * come and go under one name, but the gate stays in the namespace in which it was opened, where
 * nothing listens any more. Then it has to be closed and opened again. */
bool gate_watch_netns(struct gate_watch *w, const struct config *config, uint64_t now_us);

#endif
