/* What the proxy tells the daemon of its sources: a ring in RUN_DIR/counts/proxy-PID.events
 * (core/events.h), and how many sessions each source has open here. When the file cannot be made
 * nothing is told, that is said once, and mail flows. */
#ifndef PENSTOCK_PROXY_EVENTSFILE_H
#define PENSTOCK_PROXY_EVENTSFILE_H

#include <stdbool.h>

#include "core/events.h"

struct eventsfile {
	struct events *events; /* NULL: there is none */
	char path[320];
};

/* To be called before the counts file appears: the daemon opens both when it sees that one. */
void eventsfile_open(struct eventsfile *file, const char *run_dir, unsigned generation);
void eventsfile_close(struct eventsfile *file);
/* Another process cut it short while it was mapped: it is zeros now, and private. */
bool eventsfile_is_torn(const struct eventsfile *file);
static inline void eventsfile_put(struct eventsfile *file, const struct source_event *event)
{
	if (file->events)
		events_put(file->events, event);
}

#endif
