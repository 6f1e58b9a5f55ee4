/* The inside of the recorder, shared by recorder.c (life, the thread that writes) and
 * recorder_tick.c (what the tick calls). For these files only. */
#ifndef PENSTOCK_STORE_RECORDER_PARTS_H
#define PENSTOCK_STORE_RECORDER_PARTS_H

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>

#include "store/recorder.h"
#include "store/recorder_ring.h"

struct recorder {
	/* Used only by the tick: */
	struct recorder_ring ring;
	uint8_t *scratch; /* TRACE_PAYLOAD_MAX */
	struct trace_out out; /* the present tick, while it is put together */
	struct trace_event *pending; /* TRACE_EVENTS_MAX */
	unsigned pending_count, events_of_tick;
	uint64_t ticks;
	bool behind; /* a loss that is not recorded yet */
	struct trace_lost lost;
	char *config; /* in force */
	size_t config_length;
	double cores;
	/* Used by both: */
	_Atomic bool stopped; /* nothing more is written */
	_Atomic int error;
	_Atomic uint64_t written, ticks_lost, events_lost;
	/* Used only by the thread: */
	char path[PATH_MAX];
	uint64_t max_bytes;
	int fd;
	uint8_t *frame; /* TRACE_PAYLOAD_MAX */
	uint8_t *head; /* the first frames: */
	size_t head_length, first_config_length;
	uint8_t *pages; /* of the table of sources: u32 number, TRACE_PAGE bytes each */
	size_t page_count;
	uint64_t table_size;
	/* For the end: */
	pthread_mutex_t lock;
	pthread_cond_t wake, gone;
	bool stop, ended, left;
};

#endif
