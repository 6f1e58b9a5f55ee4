/* The status as JSON, for `penstockctl status --json`, /status.json and the control socket. Keys
 * are a promise, see the man page penstockd(8). */
#ifndef PENSTOCK_PUBLISH_JSON_H
#define PENSTOCK_PUBLISH_JSON_H

#include <jansson.h>

#include "publish/status.h"

/* A new reference, NULL: out of memory. */
json_t *json_status(const struct status *status);
/* Level, state and driver only: what a watcher gets. */
json_t *json_change(const struct status *status);

#endif
