/* A file of the proxy in RUN_DIR/counts that penstockd reads while the proxy lives, mapped. */
#ifndef PENSTOCK_PROXY_SHAREDFILE_H
#define PENSTOCK_PROXY_SHAREDFILE_H

#include <stddef.h>

/* Puts the path of this process's file into `ret_path` (320): RUN_DIR/counts/proxy-PID,
 * `generation` unless it is 0, and `ending`. Creates the directory. 0 or -errno. */
int sharedfile_name(const char *run_dir, unsigned generation, const char *ending, char *ret_path);
/* The first generation from `generation` on of which there is no file of counts. There may be one
 * of a process of the same PID: it lives in another PID namespace, or it has ended, and penstockd
 * has not yet removed its file. Such a process may take the generation meanwhile:
 * sharedfile_publish() tells. */
unsigned sharedfile_free(const char *run_dir, unsigned generation);
/* Creates a file for `path` with all its pages, under a name of its own with a dot, and maps it for
 * writing. 0 with the name in `ret_fresh` (SHAREDFILE_FRESH), a descriptor and the mapping, which
 * are the caller's, or -errno and no file. */
#define SHAREDFILE_FRESH 352
int sharedfile_create(const char *path, size_t size, char *ret_fresh, int *ret_fd, void **ret_map);
/* Renames it to `path`. 0, or -errno: then it is removed. -EEXIST: another process has a file of
 * that name. */
int sharedfile_publish(const char *fresh, const char *path);

#endif
