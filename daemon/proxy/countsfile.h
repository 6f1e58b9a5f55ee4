/* The proxy's counts in a file that the daemon reads: RUN_DIR/counts/proxy-PID, locked while this
 * process lives. If the file cannot be created, the counts are kept in plain memory, that is logged
 * once, and mail flows. */
#ifndef PENSTOCK_PROXY_COUNTSFILE_H
#define PENSTOCK_PROXY_COUNTSFILE_H

#include <stdbool.h>

#include "core/counts.h"

struct countsfile {
	struct counts *counts; /* never NULL after open */
	int fd; /* -1: plain memory */
	char path[320];
};

/* `generation`: one that has no file yet (sharedfile_free()), 0 at first, and one more for each
 * file that replaces a truncated one. 0, or -ENOMEM. */
int countsfile_open(struct countsfile *file, const char *run_dir, unsigned generation);
void countsfile_close(struct countsfile *file);
/* Whether another process truncated it while it was mapped: it is all zeros now, and private. */
bool countsfile_is_torn(const struct countsfile *file);

#endif
