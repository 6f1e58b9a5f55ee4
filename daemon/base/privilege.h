/* Who may do what among penstock's own processes: capabilities that a helper does not need, and
 * files for the proxy's group. */
#ifndef PENSTOCK_BASE_PRIVILEGE_H
#define PENSTOCK_BASE_PRIVILEGE_H

#include <sys/types.h>

/* Of the user that penstock-proxy runs as under its unit; penstockd is a member there, and not the
 * other way round. */
#define PROXY_GROUP "penstock-proxy"

/* The calling thread (in a fresh child: the process) gives up all of its capabilities, for good. No
 * library call that could meet a lock held at a fork. */
void privilege_drop(void);
/* A file or directory of ours gets that group and `mode`; where there is no such group, or we are
 * no member, the mode alone. May look names up: not in a tick. */
void privilege_share_with_proxy(int fd, mode_t mode);

#endif
