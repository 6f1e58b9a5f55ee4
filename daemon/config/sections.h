/* Sets one option of a section by its name. */
#ifndef PENSTOCK_CONFIG_SECTIONS_H
#define PENSTOCK_CONFIG_SECTIONS_H

#include "config/config.h"

/* Creates [service.NAME] and [pool.NAME] if they do not exist yet. 0 with an empty `why` (256), or
 * with what should be changed; -EINVAL with what is wrong; -ENXIO: with the section, so that no key
 * of it can be set. */
int config_set(struct config *config, const char *section, const char *key, const char *value,
	       char *why);

#endif
