/* TCP sockets by sock_diag (linux/inet_diag.h). A dump of LISTEN sockets costs 12 us: cheap enough
 * for every tick. A dump of open sessions costs 62 ms at 50,000 connections: only once, at the
 * start. */
#ifndef PENSTOCK_KERNEL_SOCKDIAG_H
#define PENSTOCK_KERNEL_SOCKDIAG_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"

struct sockdiag_listener {
	struct in6_addr address; /* IPv4 mapped; all zero, or mapped zero: any */
	uint16_t port;
	uint32_t queue, limit; /* connections that wait for accept(), and the limit of these */
	uint64_t cgroup_id; /* cgroup2 id of the socket's owner; 0: the kernel does not report it */
	uint32_t inode;
	unsigned clients; /* see sockdiag_count_clients() */
};

/* A connection that the server has accepted and not closed. */
struct sockdiag_session {
	struct in6_addr client; /* IPv4 mapped */
	uint16_t client_port, port;
	uint32_t mark; /* of the socket; 0: none, or not reported */
	uint64_t bytes_sent; /* by the server */
	/* time since the last data; without any, since the connection was made */
	uint32_t sent_ago_ms, received_ago_ms;
};

/* A netlink socket for the calls below, in another network namespace (kernel/netns.h; -1: ours), or
 * -errno. */
int sockdiag_open_in(int netns_fd);
/* The same for the namespace in which the MTA listens: that of front.gate.netns, if the gate is
 * enabled. */
int sockdiag_open_mta(const struct config *config);
/* Fills at most `most` listeners of both families whose port is in `ports` (0 ends; NULL: all of
 * them). Returns how many, or -errno. */
int sockdiag_listeners(int fd, const uint16_t *ports, unsigned ports_count,
		       struct sockdiag_listener *ret, unsigned most);
/* Fills at most `most` sessions on `ports`. Returns how many, or -errno. */
int sockdiag_sessions(int fd, const uint16_t *ports, unsigned ports_count,
		      struct sockdiag_session *ret, unsigned most);

/* Counts, in `clients` of each of `listeners`, the open connections to it on this host that belong
 * to one of the cgroup2 ids in `groups`. A connection without an id from the kernel does not count.
 * 0 or -errno. */
int sockdiag_count_clients(int fd, const uint64_t *groups, unsigned groups_count,
			   struct sockdiag_listener *listeners, unsigned count);

/* One message of the kernel's answer, and the number of the dump that it must belong to. */
struct sockdiag_message {
	const void *bytes;
	size_t size;
	uint32_t sequence;
};

/* Parses one message: adds sockets on `ports` to `ret`, which holds `*count`, at most `most`. 1:
 * that was the last message; 0: there are more; or -errno from the kernel. Skips answers to an
 * older dump, which come if that one timed out. Pure, fuzzed. */
int sockdiag_parse_listeners(const struct sockdiag_message *message, const uint16_t *ports,
			     unsigned ports_count, struct sockdiag_listener *ret, unsigned most,
			     unsigned *count);
int sockdiag_parse_clients(const struct sockdiag_message *message, const uint64_t *groups,
			   unsigned groups_count, struct sockdiag_listener *listeners,
			   unsigned count);
int sockdiag_parse_sessions(const struct sockdiag_message *message, const uint16_t *ports,
			    unsigned ports_count, struct sockdiag_session *ret, unsigned most,
			    unsigned *count);

#endif
