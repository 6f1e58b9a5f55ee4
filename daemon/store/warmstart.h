/* What the law and the ledger have learned, over a restart: STATE_DIR/learned, a frame
 * (store/frame.h) that a thread of its own writes, since a sync may take long and the tick must
 * not. What is read back bounds the first guess, and what is then seen replaces it; what is old, or
 * of a machine with another number of CPUs, is left alone. */
#ifndef PENSTOCK_STORE_WARMSTART_H
#define PENSTOCK_STORE_WARMSTART_H

#include <stdint.h>

#include "core/engine.h"
#include "core/source.h"

#define WARMSTART_VERSION 2u

/* The payload on disk. What an earlier release wrote may end before a later member, which is 0
 * then: a new member is the last one. */
struct warmstart {
	uint64_t realtime_us; /* when it was written */
	double cores;
	char name[PLAN_SERVICES][32]; /* of the services; empty: none */
	double connect_220_base_us; /* this and the services: as in struct engine_warm */
	struct window_warm service[PLAN_SERVICES];
	struct source_learned senders;
	double filter_cost_s; /* as in struct engine_warm; not in 0.2.0 */
};

struct warmstart_file;

/* Whether what was read is to be used now; pure. 0, or -ESTALE: too old or from the future, -EXDEV:
 * another machine. */
int warmstart_check(const struct warmstart *warm, uint64_t realtime_us, double cores);
/* 0 with what was kept, or -errno: there is none, or it is of no use (said). */
int warmstart_load(const char *state_dir, uint64_t realtime_us, double cores,
		   struct warmstart *ret);
/* Into and out of an engine, service by service by name, and a table of sources (NULL: there is
 * none). */
void warmstart_restore(const struct warmstart *warm, struct engine *engine,
		       struct source_table *sources);
void warmstart_save(const struct engine *engine, const struct source_table *sources,
		    uint64_t realtime_us, double cores, struct warmstart *ret);

/* Starts the thread. 0 or -errno: then nothing is kept. */
int warmstart_open(const char *state_dir, struct warmstart_file **ret_file);
/* Hands the newest figures over; never waits. They are written within half a minute. */
void warmstart_put(struct warmstart_file *file, const struct warmstart *warm);
/* Writes the last ones. NULL is fine. */
void warmstart_close(struct warmstart_file *file);

#endif
