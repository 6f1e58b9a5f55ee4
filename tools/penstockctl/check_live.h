/* `penstockctl check`: compares the running penstockd with the configuration on disk. */
#ifndef PENSTOCKCTL_CHECK_LIVE_H
#define PENSTOCKCTL_CHECK_LIVE_H

#include <jansson.h>

#include "check/check.h"

/* `status` is the daemon's (io.penstock.Status); `file` the configuration file, NULL: the default
 * one. Adds findings. */
void check_live(struct check *check, const char *file, const json_t *status);

#endif
