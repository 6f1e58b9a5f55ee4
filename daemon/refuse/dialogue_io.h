/* The dialogue with a refused client, over its socket, used by penstock-proxy and the gate's
 * responder. core/dialogue.h decides what is said and when the dialogue is over. This file sends it
 * so that the client can read it. It uses no event library, and no memory except the dialogue. The
 * caller waits until the socket is readable or a deadline passes, and closes the socket.
 *
 * Nothing is buffered for a client that does not read. A reply that does not fit into the socket's
 * buffer (which then holds some twenty unread replies) is the last one. */
#ifndef PENSTOCK_REFUSE_DIALOGUE_IO_H
#define PENSTOCK_REFUSE_DIALOGUE_IO_H

#include "core/dialogue.h"

#define DIALOGUE_DRAIN_US UINT64_C(2000000) /* after the last reply: how long to go on reading */
#define DIALOGUE_SCRATCH 4096

enum dialogue_next {
	DIALOGUE_LISTEN, /* wait until the socket is readable, then dialogue_io_hear() */
	/* the last reply is sent: call dialogue_io_hear() until it is over, for DIALOGUE_DRAIN_US
	 * at most */
	DIALOGUE_DRAIN,
	DIALOGUE_OVER /* close the socket now */
};

/* The greeting. `fd` is a connected, non-blocking stream socket; `style` must live as long as
 * the dialogue. */
enum dialogue_next dialogue_io_begin(struct dialogue *dialogue, int fd, unsigned code,
				     const struct reply_style *style, enum reason reason,
				     uint64_t until_us);
/* The socket is readable. `scratch` (DIALOGUE_SCRATCH) is the caller's, for the call only. */
enum dialogue_next dialogue_io_hear(struct dialogue *dialogue, int fd, char *scratch);
/* The client has sent these bytes already, before the greeting. */
enum dialogue_next dialogue_io_heard(struct dialogue *dialogue, int fd, const char *bytes,
				     size_t length);
/* The time is up. RFC 5321 4.5.3.2.7: a server that gives up on a client sends 421. */
enum dialogue_next dialogue_io_give_up(struct dialogue *dialogue, int fd);

#endif
