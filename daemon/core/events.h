/* Carries events from a front that is a process of its own to the daemon, in a bounded ring in a
 * file beside its counts (RUN_DIR/counts/proxy-PID.events). One writer, one reader, no lock and
 * no wait. The writer overwrites events that were not read in time, and the reader sees how
 * many. The reader copies bytes (pread) and trusts none of them. */
#ifndef PENSTOCK_CORE_EVENTS_H
#define PENSTOCK_CORE_EVENTS_H

#include "core/source.h"

#define EVENTS_MAGIC 0x746e7665u /* "evnt" */
#define EVENTS_VERSION 1u
#define EVENTS_RING 8192u /* a power of two: at 10 ticks a second 80 thousand events a second */

struct events_head {
	uint32_t magic, version;
	uint32_t capacity; /* events */
	uint32_t event_size;
	uint64_t head; /* events ever written */
	uint64_t spare;
};

struct events {
	struct events_head head;
	struct source_event ring[EVENTS_RING];
};

void events_init(struct events *events);
/* Adds an event. For the writer only. */
void events_put(struct events *events, const struct source_event *event);

/* The part of the ring that a reader may take next: `count` events from index `from` on (past the
 * last index it goes on at the first one). `lost`: events that were overwritten before they were
 * read. */
struct events_span {
	uint32_t from, count;
	uint64_t lost;
};
/* Works out the span from the head as it was read. `tail`: how many events were read or given up so
 * far. At most `most` events are in the span. 0, or -1: this is no ring of this version. */
int events_span(const struct events_head *head, uint64_t tail, uint32_t most,
		struct events_span *ret);
/* Call it after the copy, with the head read again. Returns how many of the first events of the
 * span may have been overwritten during the copy. */
uint32_t events_torn(const struct events_head *head, uint64_t tail, const struct events_span *span);

#endif
