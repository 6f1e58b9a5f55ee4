/* The MTA's network namespace, if it is not ours (containers). The configuration names it. A
 * thread of its own enters it, because setns() changes one thread. Entering needs CAP_SYS_ADMIN. */
#ifndef PENSTOCK_KERNEL_NETNS_H
#define PENSTOCK_KERNEL_NETNS_H

#include <stdint.h>

/* `name`: empty (ours), a path such as /proc/PID/ns/net, a process id, or a name under /run/netns.
 * Returns a descriptor that the caller closes, or -errno with a sentence in `why` (256). */
int netns_open(const char *name, char *why);
/* The inode number by which BPF identifies a namespace; 0: not known. */
uint32_t netns_inum(int netns_fd);
/* Whether it is the one that this process is in. */
int netns_is_own(int netns_fd);
/* Runs function(context) inside and returns its result, or -errno if it did not run: -EPERM without
 * CAP_SYS_ADMIN. Sockets made there stay there. In our own namespace it is a plain call. */
int netns_run(int netns_fd, int (*function)(void *context), void *context);

#endif
