/* The fleet as JSON: `fleet` of the status. It contains no address of a sender. */
#ifndef PENSTOCK_PUBLISH_JSON_FLEET_H
#define PENSTOCK_PUBLISH_JSON_FLEET_H

#include <jansson.h>

#include "publish/status.h"

/* A new reference. */
json_t *json_fleet(const struct status *status);

#endif
