/* Finds out whether the kernel or a program (FUSE) answers for a file. In a container of LXC, lxcfs
 * is such a program for files of /proc. If it hangs, every process that opens or reads its files
 * hangs, too. */
#ifndef PENSTOCK_BASE_FUSE_H
#define PENSTOCK_BASE_FUSE_H

#include <stdbool.h>

/* Whether a program answers for `path` below the directory `dir_fd`, or for a directory on the way
 * to it. Never waits for that program. If it cannot be found out, the answer is yes for a file on
 * another device than `dir_fd`, and no for a file that does not exist. */
bool fuse_serves(int dir_fd, const char *path);
/* The same for a file below /proc. */
bool fuse_serves_proc(const char *path);

#endif
