/* The daemon: the order in which everything is opened, stepped once a tick, reloaded and closed.
 * The only module that knows all parts. */
#ifndef PENSTOCK_DAEMON_H
#define PENSTOCK_DAEMON_H

#include "config/config.h"

struct daemon;

/* Opens everything that it can; a part that cannot be opened is logged, and the daemon runs without
 * it. Fails (-errno, with a sentence in `why`, 256 bytes) only where running would be wrong:
 * another penstockd on this run directory, no run directory, no memory. */
int daemon_new(const struct config *config, const struct config_source *source,
	       struct daemon **ret_daemon, char *why);
/* Runs until SIGTERM or SIGINT. 0 or -errno. */
int daemon_run(struct daemon *daemon);
void daemon_free(struct daemon *daemon);

#endif
