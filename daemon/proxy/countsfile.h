/* The proxy's counts in a file that the daemon reads: RUN_DIR/counts/proxy-PID, locked while this
 * process lives. If the file cannot be created, the counts are kept in plain memory, that is logged
 * once, and mail flows. */
#ifndef PENSTOCK_PROXY_COUNTSFILE_H
#define PENSTOCK_PROXY_COUNTSFILE_H

#include <stdbool.h>

#include "core/counts.h"

/* The block of the service, and its number in the events: a proxy serves one service. */
#define COUNTSFILE_BLOCK 0

struct countsfile {
	struct counts *counts; /* NULL: open failed */
	int fd; /* -1: plain memory */
	char path[320];
};

/* `generation`: one that has no file yet (sharedfile_free()), 0 at first, and one more for each
 * file that replaces a truncated one. `service_id`: plan_service_id() of the service. 0,
 * -EEXIST: another process has just taken this generation, or -ENOMEM. */
int countsfile_open(struct countsfile *file, const char *run_dir, unsigned generation,
		    uint64_t service_id);
/* After -EEXIST: keeps the counts in plain memory. 0 or -ENOMEM. */
int countsfile_keep(struct countsfile *file, uint64_t service_id);
void countsfile_close(struct countsfile *file);
/* Whether another process truncated it while it was mapped: it is all zeros now, and private. */
bool countsfile_is_torn(const struct countsfile *file);

#endif
