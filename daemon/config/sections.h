/* One option of a section, set by its name. */
#ifndef PENSTOCK_CONFIG_SECTIONS_H
#define PENSTOCK_CONFIG_SECTIONS_H

#include "config/config.h"

/* Makes [service.NAME] and [pool.NAME] when they are not there yet. 0 with an empty `why` (256), or
 * with what should be changed; -EINVAL with what is wrong. */
int config_set(struct config *config, const char *section, const char *key, const char *value,
	       char *why);

#endif
