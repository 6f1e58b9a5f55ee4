/* penstockctl check: prints what check/check.h found. */
#ifndef PENSTOCKCTL_VERB_CHECK_H
#define PENSTOCKCTL_VERB_CHECK_H

#include <stdbool.h>

#include "config/config.h"

/* Returns 0 when nothing was found, 1 when something was. */
int show_check(const struct config *config, const char *root, bool json);
/* The configuration itself is what was found. */
int show_check_config(const struct config_errors *errors, bool json);

#endif
