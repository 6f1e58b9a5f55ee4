/* Reads the configuration again in a running daemon. */
#ifndef PENSTOCK_CONFIG_RELOAD_H
#define PENSTOCK_CONFIG_RELOAD_H

#include "config/config.h"

/* Reads and validates the whole configuration, also against `now`, since some options cannot change
 * while the daemon runs. A service that `now` has keeps its number, unless one before it is gone.
 * 0 with a configuration that can replace `now`, or -errno with a sentence in `why` (256) and every
 * error in the log: then `now` stays in force. */
int config_reload(const struct config_source *source, const struct config *now, struct config *ret,
		  char *why);

#endif
