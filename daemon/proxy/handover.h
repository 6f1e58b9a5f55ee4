/* Restart and upgrade of the proxy with no connection refused and no session cut. Under a
 * service manager that keeps the listening socket (a socket unit, or the descriptor store of the
 * proxy's own unit), a client that connects while no proxy runs waits in the socket's queue for
 * the next one. So the old process must stop quickly: on SIGTERM it leaves its sessions to a
 * child. The child serves them to their end, while the main process ends and its successor
 * accepts. */
#ifndef PENSTOCK_PROXY_HANDOVER_H
#define PENSTOCK_PROXY_HANDOVER_H

#include <stdbool.h>

#include "proxy/tally.h"

struct listeners {
	int fds[LISTENERS_MAX], count; /* the first `count` of them */
	bool are_kept; /* by the service manager, while no proxy runs */
};

/* The listening sockets of front.proxy.listen: from the socket unit, from the process before, or
 * made new and then given to the manager to keep. Into `listeners`, which has none yet. 0, or
 * -errno and which address. */
int handover_listen(struct listeners *listeners, const struct endpoints *wanted, int backlog,
		    const char **ret_which);
/* No proxy will follow: the manager closes the sockets, so that clients are refused at once
 * instead of waiting in the queue. */
void handover_forget(void);
/* At SIGTERM. True in the child that goes on with the sessions. False if there is nothing to hand
 * over, or if it failed: then this process has to finish them. Does not return in the process that
 * is replaced: it ends with success. */
bool handover_sessions(const struct listeners *listeners, struct tally *tally);

#endif
