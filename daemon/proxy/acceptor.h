/* Takes new connections from the listening sockets and begins their sessions. While clients are
 * refused, it does so some 250 times a second, and not once for each client. */
#ifndef PENSTOCK_PROXY_ACCEPTOR_H
#define PENSTOCK_PROXY_ACCEPTOR_H

#include "proxy/handover.h"

struct acceptor;

/* For `listeners`, which stay the caller's and must outlive it. 0 or -ENOMEM. */
int acceptor_open(struct tally *tally, struct listeners *listeners, struct acceptor **ret_acceptor);
/* Takes no further connection, and closes the listening sockets. */
void acceptor_stop(struct acceptor *acceptor);
/* NULL is allowed. */
void acceptor_close(struct acceptor *acceptor);

#endif
