/* Listening TCP sockets by sock_diag (linux/inet_diag.h): accept queue, its limit, the owner's control group. A dump of
 * LISTEN sockets only: 12 us, never of established ones. */
#ifndef PENSTOCK_KERNEL_SOCKDIAG_H
#define PENSTOCK_KERNEL_SOCKDIAG_H

#include <stdint.h>

struct sockdiag_listener {
	uint16_t port;
	uint32_t queue, limit; /* connections that wait for accept(), and how many may */
	uint64_t cgroup_id; /* cgroup2 id of the socket's owner, 0: the kernel does not say */
	uint32_t inode;
};

/* A netlink socket for the calls below, or -errno. */
int sockdiag_open(void);
/* The same in another network namespace (kernel/netns.h); -1: ours. */
int sockdiag_open_in(int netns_fd);
/* Fills at most `most` listeners of both families whose port is in `ports` (0 ends). Returns how many, or -errno. */
int sockdiag_listeners(int fd, const uint16_t *ports, unsigned ports_count,
		       struct sockdiag_listener *ret, unsigned most);

#endif
