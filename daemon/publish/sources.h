/* Sources for people and machines: what is published of core/source.h, one function for each output. */
#ifndef PENSTOCK_PUBLISH_SOURCES_H
#define PENSTOCK_PUBLISH_SOURCES_H

#include <jansson.h>
#include <netinet/in.h>

#include "base/text.h"
#include "publish/status.h"

#define SOURCES_LISTED 1000 /* at most in one answer */

/* A source, and when it would get in. */
struct source_picture {
	struct source_view view;
	uint32_t
		admitted_in_s; /* with its retry after so long, as things are; UINT32_MAX: not within a week */
};

/* `sources` of the status JSON: figures of the whole, no address. */
json_t *sources_json(const struct status *status);
/* The list of the control socket's Sources. */
json_t *sources_list_json(const struct status *status, const struct source_picture *list,
			  unsigned count);
/* What explain says of one source. */
void sources_explain(const struct status *status, const struct source_picture *picture,
		     struct text *out);
/* The promise's alarms, when they begin and end. */
void sources_journal(const struct source_stats *before, const struct source_stats *now);
/* "203.0.113.0/24", "2001:db8::/64": the group that an address counts as. `buf` of 64. */
const char *sources_group_name(const uint8_t *address, char *buf);
/* "rate", "age", "attempts" -> enum source_sort; -1: none of them. */
int sources_sort(const char *name);

#endif
