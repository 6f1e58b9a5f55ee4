/* The stand-in: a small process beside the daemon that shares the responder's listening sockets.
 * While the daemon hangs (stopped, stuck, or without the responder's thread) or has just died, the
 * gate still sends clients there until the daemon's heartbeat is old. Those clients would wait for
 * a greeting for as long as the daemon hangs. The stand-in accepts them, says 421, and closes.
 *
 * It holds nothing else of the daemon, no BPF descriptor and no lock, so that nothing stays
 * attached if it lives a moment longer. A client that the responder has accepted stays with the
 * responder. The responder greets each client before it accepts the next one, so at most one client
 * waits without a greeting until the daemon goes on or ends, or until the client's own timeout. */
#ifndef PENSTOCK_FRONT_STANDIN_H
#define PENSTOCK_FRONT_STANDIN_H

#include <stdint.h>

struct standin;

struct standin_options {
	int listener_v4, listener_v6; /* -1: none */
	/* with CRLF; empty: clients are closed without a reply (implicit TLS) */
	char greeting[513];
};

/* Starts the process. 0 or -errno. */
int standin_open(const struct standin_options *options, struct standin **ret_standin);
/* Ends it. NULL is fine. */
void standin_close(struct standin *standin);
/* Once a tick, while the responder works. Starts the process again if it was killed. */
void standin_beat(struct standin *standin, uint64_t now_us);

#endif
