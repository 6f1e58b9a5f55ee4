/* Fronts that are processes of their own (penstock-proxy), as the daemon sees them: one counts file
 * each in RUN_DIR/counts, read with pread() because a mapping of a foreign file can kill its
 * reader. A process that died (its lock is free) is retired: its counters stay in the totals, its
 * gauges go at once. */
#ifndef PENSTOCK_FRONT_REMOTE_H
#define PENSTOCK_FRONT_REMOTE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/counts.h"
#include "core/load.h"
#include "core/sample.h"
#include "core/source.h"

#define REMOTE_FRONTS 8

struct remote;

struct remote_front {
	struct counts counts; /* as last read */
	bool fresh; /* its heartbeat is young */
};

/* Makes the directory when it is missing. 0 or -errno; on failure nothing is watched and that is
 * all. `mode` is the directory's, so that the proxy's user may write into it. */
int remote_open(const char *run_dir, struct remote **ret_remote);
void remote_close(struct remote *remote);
/* The following three are called once a tick, in this order; with NULL they do nothing.
 *
 * Looks for new files once a second, reads all. */
void remote_poll(struct remote *remote, uint64_t now_us);
/* Adds everything to `load` (all known bits for services that a living front serves) and puts
 * connect-to-220, the oldest waiting and the number waiting into the sample. */
void remote_put(struct remote *remote, uint64_t now_us, struct load *load, struct sample *sample);
/* Hands on what each front has told of its sources since the last time, at most some thousand
 * events a front. What was overwritten before it was read is in remote_events_lost(). */
void remote_tell(struct remote *remote,
		 void (*seen)(void *context, const struct source_event *events, unsigned count,
			      uint64_t now_us),
		 void *context, uint64_t now_us);
unsigned remote_count(const struct remote *remote);
const struct remote_front *remote_front(const struct remote *remote, unsigned index);
uint64_t remote_events_lost(const struct remote *remote);
/* What the retired ones had counted. */
const struct counts *remote_retired(const struct remote *remote);

#endif
