/* The filters behind the mail server (sensor/filters.h), for people and for programs. */
#ifndef PENSTOCK_PUBLISH_FILTERS_H
#define PENSTOCK_PUBLISH_FILTERS_H

#include <jansson.h>

#include "base/text.h"
#include "publish/status.h"

/* "127.0.0.1:10024 (amavis.service), queue 12 of 20, 15 connections from the mail server, 0.80
 * cores".
 */
void filters_describe(const struct filter *filter, struct text *out);
/* An array, empty while none is known. The caller owns it. */
json_t *filters_json(const struct status *status);

#endif
