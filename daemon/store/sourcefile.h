/* The files of the table of sources. Fronts map RUN_DIR/sources read-only. STATE_DIR/ledger
 * outlives the daemon: a thread writes the blocks that changed (store/ledger_format.h), at most a
 * MiB a second, since this disk may be the one under load. If a file is not available, sources lose
 * their seniority at a restart, or the proxy does not rank them. That is logged, and mail flows. */
#ifndef PENSTOCK_STORE_SOURCEFILE_H
#define PENSTOCK_STORE_SOURCEFILE_H

#include "core/source.h"

struct sourcefile;

/* 0 or -ENOMEM. `seed`: the keys of a new table; a table that is read back keeps its own. */
int sourcefile_open(const char *run_dir, const char *state_dir, const struct source_config *config,
		    const uint64_t seed[2], uint64_t realtime_us, struct sourcefile **ret_file);
struct source_table *sourcefile_table(const struct sourcefile *file);
/* The errno of the last failed write of the ledger, 0: it is written. */
int sourcefile_error(const struct sourcefile *file);
/* Writes the last changes, and ends the thread. NULL is fine. */
void sourcefile_close(struct sourcefile *file);

#endif
