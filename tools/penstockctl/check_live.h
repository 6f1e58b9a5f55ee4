/* `penstockctl check`: compares the running penstockd with the configuration on disk. */
#ifndef PENSTOCKCTL_CHECK_LIVE_H
#define PENSTOCKCTL_CHECK_LIVE_H

#include <jansson.h>

#include "check/check.h"

/* Compares and adds findings. `status`: the daemon's (io.penstock.Status). `file`: the
 * configuration file, NULL: the default one. */
void check_live(struct check *check, const char *file, const json_t *status);

#endif
