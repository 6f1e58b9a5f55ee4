/* A file of the proxy in RUN_DIR/counts that penstockd reads while the proxy lives, mapped. */
#ifndef PENSTOCK_PROXY_SHAREDFILE_H
#define PENSTOCK_PROXY_SHAREDFILE_H

#include <stddef.h>

/* Puts the path of this process's file into `ret_path` (320): RUN_DIR/counts/proxy-PID,
 * `generation` unless it is 0, and `ending`. Creates the directory. 0 or -errno. */
int sharedfile_name(const char *run_dir, unsigned generation, const char *ending, char *ret_path);
/* The first generation from `generation` on of which there is no file of counts. There may be one
 * of a process of the same PID: it lives in another PID namespace, or it has ended, and penstockd
 * has not yet removed its file. */
unsigned sharedfile_free(const char *run_dir, unsigned generation);
/* Creates a file, in place of one of that name, with all its pages, and maps it for writing. 0 with
 * a descriptor and the mapping, which are the caller's, or -errno and no file. */
int sharedfile_create(const char *path, size_t size, int *ret_fd, void **ret_map);

#endif
