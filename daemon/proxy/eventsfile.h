/* What the proxy reports to the daemon about sources: a ring in RUN_DIR/counts/proxy-PID.events
 * (core/events.h), and how many sessions each source has open here. If the file cannot be created,
 * nothing is reported, that is logged once, and mail flows. */
#ifndef PENSTOCK_PROXY_EVENTSFILE_H
#define PENSTOCK_PROXY_EVENTSFILE_H

#include <stdbool.h>

#include "core/events.h"

struct eventsfile {
	struct events *events; /* NULL: there is none */
	char path[320];
};

/* Call it before the counts file appears: when the daemon sees that file, it opens both. 0, or
 * -EEXIST: there is a file of this generation, perhaps of a process that has just begun. */
int eventsfile_open(struct eventsfile *file, const char *run_dir, unsigned generation);
void eventsfile_close(struct eventsfile *file);
/* The same, and removes the file. */
void eventsfile_remove(struct eventsfile *file);
/* Whether another process truncated it while it was mapped: it is all zeros now, and private. */
bool eventsfile_is_torn(const struct eventsfile *file);
static inline void eventsfile_put(struct eventsfile *file, const struct source_event *event)
{
	if (file->events)
		events_put(file->events, event);
}

#endif
