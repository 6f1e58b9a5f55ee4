/* Keeps what law and ledger have learned over a restart: reads it at the start (store/warmstart.h),
 * and saves it from then on. */
#ifndef PENSTOCK_STORE_LEARNED_H
#define PENSTOCK_STORE_LEARNED_H

#include <stdint.h>

#include "core/engine.h"
#include "core/source.h"

struct learned;

/* Gives `engine` and `table` (NULL: there is none) what was learned before, as a first guess. Both
 * stay the caller's and must outlive this. 0 or -ENOMEM. If nothing can be kept, that is logged and
 * is no error. */
int learned_open(const char *state_dir, struct engine *engine, struct source_table *table,
		 struct learned **ret_learned);
/* The errno with which the figures could not be kept; 0: they are. */
int learned_error(const struct learned *learned);
/* Writes the last figures. NULL is fine. */
void learned_close(struct learned *learned);
/* Once a tick: gives the figures to the writing thread every ten seconds. */
void learned_keep(struct learned *learned, uint64_t now_us, uint64_t realtime_us);

#endif
