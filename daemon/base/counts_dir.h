/* RUN_DIR/counts. A front that is a process of its own keeps a file of its counts there, and locks
 * it while it lives (writelock.h). Only these files have names without a dot: others are files of
 * events, or not ready yet. */
#ifndef PENSTOCK_BASE_COUNTS_DIR_H
#define PENSTOCK_BASE_COUNTS_DIR_H

#include <dirent.h>
#include <stddef.h>

/* Puts its path into `ret_path`. 0, or -ENAMETOOLONG and an empty path. */
int counts_dir_path(const char *run_dir, char *ret_path, size_t size);
/* The same, and makes it if it is missing. 0 or -errno. */
int counts_dir_make(const char *run_dir, char *ret_path, size_t size);
/* The name of the next file of counts, until the next call; NULL: there is none. */
const char *counts_dir_next(DIR *dir);
/* Removes what a front left when it was killed while it began: files that are not ready yet, and
 * files of events without a file of counts. Spares what was written in the last minute, and looks
 * at COUNTS_DIR_TIDIED names at most. */
#define COUNTS_DIR_TIDIED 4096
void counts_dir_tidy(int dir_fd);
/* Opens one for reading, without waiting, whatever it is. A descriptor or -errno. */
int counts_dir_open(int dir_fd, const char *name);

#endif
