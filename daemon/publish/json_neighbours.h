/* What else runs on this machine, as JSON: other programs that cause pressure or leak memory, and
 * the filters behind the mail server. */
#ifndef PENSTOCK_PUBLISH_JSON_NEIGHBOURS_H
#define PENSTOCK_PUBLISH_JSON_NEIGHBOURS_H

#include <jansson.h>

#include "publish/status.h"

/* Sets foreign, leak, neighbours, filters and second_stage of the status. */
void json_set_neighbours(json_t *status_json, const struct status *status);

#endif
