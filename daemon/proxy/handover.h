/* Restart and upgrade of the proxy without refusing a connection or cutting a session. A service
 * manager can keep the listening socket (a socket unit, or the descriptor store of the proxy's own
 * unit). Then a client that connects while no proxy runs waits in the socket's queue for the next
 * proxy. So the old process must stop quickly: on SIGTERM it leaves its sessions to a child. The
 * child serves them to their end, while the main process ends and its successor accepts. */
#ifndef PENSTOCK_PROXY_HANDOVER_H
#define PENSTOCK_PROXY_HANDOVER_H

#include <stdbool.h>

#include "proxy/tally.h"

struct listeners {
	int fds[LISTENERS_MAX], count; /* the first `count` of them */
	/* The service manager keeps each while no proxy runs, or will: `store_as` is the number of
	 * one that it has not taken yet, else -1. */
	bool are_kept;
	int store_as[LISTENERS_MAX];
};

/* Opens the listening sockets of front.proxy.listen: from the socket unit, from the previous
 * process, or new ones, which are then given to the manager to keep. Fills in `listeners`, which
 * has none yet. 0, or -errno with the address in question. */
int handover_listen(struct listeners *listeners, const struct endpoints *wanted, int backlog,
		    const char **ret_which);
/* No proxy will follow: the manager closes the sockets, so that clients are refused at once
 * instead of waiting in the queue. */
void handover_forget(void);
/* At SIGTERM, before the sockets are closed: gives the manager again what it did not take when they
 * were opened, for up to a second. */
void handover_keep(struct listeners *listeners);
/* At SIGTERM. Returns true in the child that goes on with the sessions, and false if there is
 * nothing to hand over or it failed: then this process has to finish the sessions. In the process
 * that is replaced it does not return: that ends with success. */
bool handover_sessions(const struct listeners *listeners, struct tally *tally);

#endif
