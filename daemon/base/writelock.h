/* A lock that only a process with write permission on the file can take: fcntl's lock of an open
 * file description (fcntl(2), F_OFD_SETLK). With flock() every user who may read a file could
 * hold the lock, and so keep penstockd from starting or make a dead proxy look alive. */
#ifndef PENSTOCK_BASE_WRITELOCK_H
#define PENSTOCK_BASE_WRITELOCK_H

#include <stdbool.h>

/* Takes the lock, until the last descriptor of this open file is closed in any process. `fd` is
 * open for writing. 0 or -errno; -EAGAIN: another open file has a lock, even a reader's. */
int writelock_take(int fd);
/* Whether another open file has a writer's lock. A reader's lock does not count. `fd` is open for
 * reading at least. */
bool writelock_is_held(int fd);

#endif
