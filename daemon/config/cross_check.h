/* Finds options that are each valid alone, and wrong together. */
#ifndef PENSTOCK_CONFIG_CROSS_CHECK_H
#define PENSTOCK_CONFIG_CROSS_CHECK_H

#include "config/errors.h"

/* Adds an error of CONFIG_WHOLE for each. `of_trace`: not for this host, so that the time zones of
 * this host do not matter. */
void config_check(const struct config *config, bool of_trace, struct config_errors *errors);

#endif
