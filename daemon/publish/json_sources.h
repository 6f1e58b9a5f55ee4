/* Sources as JSON: the figures of all in the status, and the list of the control socket's
 * Sources. */
#ifndef PENSTOCK_PUBLISH_JSON_SOURCES_H
#define PENSTOCK_PUBLISH_JSON_SOURCES_H

#include <jansson.h>

#include "publish/status.h"
#include "sources/sources.h"

/* `sources` of the status; without addresses. A new reference. */
json_t *json_sources(const struct status *status);
/* A new reference. */
json_t *json_source_list(const struct status *status, const struct source_snapshot *list,
			 unsigned count);
/* "rate", "age", "attempts" -> enum source_sort; -1: another word. */
int json_source_sort(const char *name);

#endif
