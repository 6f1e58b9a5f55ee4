/* Who answers for a file: the kernel, or a program (FUSE), as lxcfs does for files of /proc in a
 * container of LXC. When such a program hangs, so does everybody who opens or reads its files. */
#ifndef PENSTOCK_BASE_FUSE_H
#define PENSTOCK_BASE_FUSE_H

#include <stdbool.h>

/* Whether a program answers for `path` below the directory `dir_fd`, or for a directory on the way
 * to it. Never waits for that program. Where it cannot be found out, the answer is yes for a file
 * that lies on another device than `dir_fd`, and no for one that is not there. */
bool fuse_serves(int dir_fd, const char *path);
/* The same for a file below /proc. */
bool fuse_serves_proc(const char *path);

#endif
