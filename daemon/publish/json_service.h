/* The status of one service as JSON: what the law does, its sessions, and what was decided. */
#ifndef PENSTOCK_PUBLISH_JSON_SERVICE_H
#define PENSTOCK_PUBLISH_JSON_SERVICE_H

#include <jansson.h>

#include "publish/status.h"

/* The caller owns the object. `i`: number of the service in the configuration. */
json_t *json_service(const struct status *s, unsigned i);

#endif
