/* The MTA's network namespace, if it is another than ours (containers). The configuration names it.
 * A thread enters it, because setns() changes only one thread. Entering needs CAP_SYS_ADMIN. */
#ifndef PENSTOCK_KERNEL_NETNS_H
#define PENSTOCK_KERNEL_NETNS_H

#include <stdint.h>

/* `name`: empty (ours), a path such as /proc/PID/ns/net, a process id, or a name under /run/netns.
 * Returns a descriptor that the caller closes, or -errno with a sentence in `why` (256). */
int netns_open(const char *name, char *why);
/* The inode number by which BPF identifies a namespace; 0: not known. */
uint32_t netns_inum(int netns_fd);
/* Whether it is this process's own. */
int netns_is_own(int netns_fd);
/* Runs function(context) in the namespace and returns its result, or -errno if it did not run:
 * -EPERM without CAP_SYS_ADMIN. Sockets created there stay there. For our own namespace this is a
 * plain call. */
int netns_run(int netns_fd, int (*function)(void *context), void *context);

#endif
