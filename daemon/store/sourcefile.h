/* The table of sources where others can see it and where it outlives the daemon: RUN_DIR/sources,
 * which fronts map read-only, and STATE_DIR/ledger, to which a thread writes the blocks that
 * changed (store/ledger_format.h), at most a MiB a second: the disk that is written to may be the
 * one under load. What cannot be had costs seniority over a restart, or ranks in the proxy; it is
 * said, and mail flows. */
#ifndef PENSTOCK_STORE_SOURCEFILE_H
#define PENSTOCK_STORE_SOURCEFILE_H

#include "core/source.h"

struct sourcefile;

/* 0 or -ENOMEM. `seed` keys a new table; one that is read back keeps its own. */
int sourcefile_open(const char *run_dir, const char *state_dir, const struct source_config *config,
		    const uint64_t seed[2], uint64_t realtime_us, struct sourcefile **ret_file);
struct source_table *sourcefile_table(const struct sourcefile *file);
/* The errno with which the ledger could last not be written, 0: it is written. */
int sourcefile_error(const struct sourcefile *file);
/* Writes what has changed since, and ends the thread. NULL is fine. */
void sourcefile_close(struct sourcefile *file);

#endif
