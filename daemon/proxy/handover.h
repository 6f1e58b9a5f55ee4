/* Restart and upgrade of the proxy with no connection refused and no session cut. Under a service manager that keeps the listening
 * socket (a socket unit, or the descriptor store of the proxy's own unit), whoever connects while no proxy runs waits in the
 * socket's queue for the next one. So the old process must not take minutes to stop: on SIGTERM it leaves its sessions to a
 * child, which serves them to their end while the main process is gone and its successor accepts. */
#ifndef PENSTOCK_PROXY_HANDOVER_H
#define PENSTOCK_PROXY_HANDOVER_H

#include <stdbool.h>

#include "proxy/proxy.h"

/* The listening socket of front.proxy.listen: from the socket unit, from the process before, or made new and then given to the
 * manager to keep. Sets `proxy->listener_is_kept`. The descriptor or -errno. */
int handover_listen(struct proxy *proxy, int backlog);
/* There will be no proxy: the manager forgets the socket, so that clients are refused and not left in its queue. */
void handover_forget(void);
/* At SIGTERM. True in the child that goes on with the sessions; false where there is nothing to hand over or it cannot be done,
 * and this process has to finish them. Does not return in the process that is replaced: it ends with success. */
bool handover_sessions(struct proxy *proxy);

#endif
