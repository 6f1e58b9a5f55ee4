/* The file STATE_DIR/learned keeps what the law and the ledger have learned. It is a frame
 * (store/frame.h). A thread writes it, because a sync may take long and the tick must not wait.
 * After a restart its figures are a first guess, until new measurements replace them. A file that
 * is old, or of a machine with another number of CPUs, is not used. */
#ifndef PENSTOCK_STORE_WARMSTART_H
#define PENSTOCK_STORE_WARMSTART_H

#include <stdint.h>

#include "core/engine.h"
#include "core/source.h"

#define WARMSTART_VERSION 2u

/* The payload on disk. A file of an earlier release may be shorter; its missing members are 0. So
 * new members are added at the end. */
struct warmstart {
	uint64_t realtime_us; /* when it was written */
	double cores;
	char name[PLAN_SERVICES][32]; /* of the services; empty: none */
	double connect_220_base_us; /* this and the services: see struct engine_warm */
	struct window_warm service[PLAN_SERVICES];
	struct source_learned senders;
	double filter_cost_s; /* see struct engine_warm; not in 0.2.0 */
};

struct warmstart_file;

/* Whether the figures may be used now; pure. 0; -ESTALE: too old, or from the future; -EXDEV: from
 * another machine. */
int warmstart_check(const struct warmstart *warm, uint64_t realtime_us, double cores);
/* 0 with the figures, or -errno: there are none, or they cannot be used (which is logged). */
int warmstart_load(const char *state_dir, uint64_t realtime_us, double cores,
		   struct warmstart *ret);
/* Copies the figures into and out of an engine, for each service by its name, and a table of
 * sources (NULL: there is none). */
void warmstart_restore(const struct warmstart *warm, struct engine *engine,
		       struct source_table *sources);
void warmstart_save(const struct engine *engine, const struct source_table *sources,
		    uint64_t realtime_us, double cores, struct warmstart *ret);

/* Starts the thread. 0 or -errno: then nothing is kept. */
int warmstart_open(const char *state_dir, struct warmstart_file **ret_file);
/* Passes the newest figures to the thread; never waits. They are written within half a minute. */
void warmstart_put(struct warmstart_file *file, const struct warmstart *warm);
/* The errno of the last failed write; 0: it succeeded. */
int warmstart_error(const struct warmstart_file *file);
/* Writes the last figures. NULL is fine. */
void warmstart_close(struct warmstart_file *file);

#endif
