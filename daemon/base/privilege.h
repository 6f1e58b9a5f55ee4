/* Privileges of penstock's own processes: drops capabilities in a helper, and gives files to the
 * group of the proxy. */
#ifndef PENSTOCK_BASE_PRIVILEGE_H
#define PENSTOCK_BASE_PRIVILEGE_H

#include <sys/types.h>

/* Of the user that penstock-proxy runs as under its unit; penstockd is a member there, and not the
 * other way round. */
#define PROXY_GROUP "penstock-proxy"

/* The calling thread (in a fresh child: the process) gives up all of its capabilities, for good. It
 * makes no library call that could wait for a lock that was held at the fork. */
void privilege_drop(void);
/* Gives one of our files or directories that group and `mode`. If there is no such group, or we are
 * not a member, it sets the mode only. It may look up names, so never call it in a tick. */
void privilege_share_with_proxy(int fd, mode_t mode);

#endif
