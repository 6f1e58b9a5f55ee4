/* Records the inputs and answers of the engine, tick by tick, into a file that penstock-replay
 * reads (store/trace.h).
 *
 * The tick only copies into a ring in memory: it never waits, allocates or touches a file. A thread
 * writes. Records for which the ring has no room are lost and counted. The engine's whole state
 * follows them, so that a replay can continue there. If the file cannot be opened or written, or is
 * full, the recording ends; that is logged once, and nothing else changes.
 *
 * An existing file of that name is kept as FILE.1. */
#ifndef PENSTOCK_STORE_RECORDER_H
#define PENSTOCK_STORE_RECORDER_H

#include "store/trace.h"

#define RECORDER_RING (4u << 20) /* bytes: enough for some minutes of ticks if the disk stalls */

struct recorder;

struct recorder_options {
	const char *path;
	uint64_t max_bytes; /* of the file */
	const char *version; /* of penstock */
	uint64_t now_us, realtime_us;
	double cores;
	const char *config; /* as config_print() gives it */
	size_t config_length;
	const struct source_table *table; /* NULL: there is none. Copied in the call */
	size_t table_size;
	uint64_t seed;
	size_t ring_bytes; /* a power of two; 0: RECORDER_RING */
};

/* Starts the thread. 0 or -ENOMEM. The thread opens the file, and logs a failure. */
int recorder_open(const struct recorder_options *options, struct recorder **ret_recorder);
/* Tells the thread to end, and waits at most `wait_us` for it. A thread that hangs on its disk is
 * left behind. NULL is fine. */
void recorder_close(struct recorder *recorder, uint64_t wait_us);

/* The following are called by one thread, in the order in which things happen. NULL is fine in
 * all. */
void recorder_config(struct recorder *recorder, double cores, const char *text, size_t length);
void recorder_order(struct recorder *recorder, const struct trace_order *order);
void recorder_events(struct recorder *recorder, const struct source_event *events, unsigned count,
		     uint64_t now_us);
/* Call the first before engine_step(), and the second when the plan is complete. `ranked`: the
 * table of sources took part. */
void recorder_inputs(struct recorder *recorder, const struct engine *engine,
		     const struct sample *sample, const struct load *load, uint64_t realtime_us);
void recorder_answer(struct recorder *recorder, const struct engine *engine,
		     const struct plan *plan, bool ranked);

struct recorder_stats {
	bool running; /* false: the file is full, or could not be written */
	int error; /* errno of the failed write; 0: the file is full, or it runs */
	uint64_t bytes; /* in the file */
	uint64_t ticks_lost, events_lost; /* lost because the ring was full */
};
void recorder_stats(const struct recorder *recorder, struct recorder_stats *ret);

#endif
