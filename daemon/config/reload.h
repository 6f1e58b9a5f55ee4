/* Reads the configuration again in a running daemon. */
#ifndef PENSTOCK_CONFIG_RELOAD_H
#define PENSTOCK_CONFIG_RELOAD_H

#include "config/config.h"

/* Reads and validates the whole, also against what cannot change while the daemon runs (`now`). 0
 * with a configuration that can be swapped in, or -errno with a sentence in `why` (256) and every
 * error in the log: the one in force stays. */
int config_reload(const struct config_source *source, const struct config *now, struct config *ret,
		  char *why);

#endif
