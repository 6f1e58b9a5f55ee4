/* Messages to the service manager, in the format of sd_notify(3). sd_notify() itself waits until
 * the manager reads. The manager's queue has 10 to 512 places for all services together, so a
 * manager that hangs, or is busy for some seconds, would stop the caller. */
#ifndef PENSTOCK_BASE_MANAGER_H
#define PENSTOCK_BASE_MANAGER_H

#include <stdbool.h>

#include "base/fdpass.h"

/* Whether a service manager listens (NOTIFY_SOCKET). */
bool manager_is_there(void);
/* Sends `state` ("READY=1", lines), with `count` descriptors (at most FDPASS_MAX), which stay the
 * caller's. Waits at most `patience_ms` for a place in the manager's queue. 0; -ENOTCONN: there is
 * no manager; -EAGAIN: it does not read; or another -errno. */
int manager_tell(const char *state, const int *fds, unsigned count, int patience_ms);

#endif
