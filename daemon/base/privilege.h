/* Privileges of penstock's own processes: drops capabilities in a helper, and gives files to the
 * group of the proxy. */
#ifndef PENSTOCK_BASE_PRIVILEGE_H
#define PENSTOCK_BASE_PRIVILEGE_H

#include <sys/types.h>

/* The group of the user that penstock-proxy runs as under its unit. penstockd is a member of it;
 * the proxy is in no group of penstockd. */
#define PROXY_GROUP "penstock-proxy"

/* Gives up all capabilities of the calling thread (in a fresh child: of the process), for good.
 * Calls no library function that could wait for a lock held at the fork. */
void privilege_drop(void);
/* Gives one of our files or directories that group and `mode`. If there is no such group, or we are
 * not a member, it only sets the mode. It may look up names, so never call it in a tick. */
void privilege_share_with_proxy(int fd, mode_t mode);

#endif
