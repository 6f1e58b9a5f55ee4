/* The service manager, told as sd_notify(3) tells it. sd_notify() itself waits until the manager
 * reads: its queue has 10 to 512 places for all services together, and one that hangs, or is busy
 * for some seconds, would stop who tells it something. */
#ifndef PENSTOCK_BASE_MANAGER_H
#define PENSTOCK_BASE_MANAGER_H

#include <stdbool.h>

#include "base/fdpass.h"

/* There is one that listens (NOTIFY_SOCKET). */
bool manager_is_there(void);
/* Tells it `state` ("READY=1", lines), with `count` descriptors (at most FDPASS_MAX), which stay
 * the caller's. Waits at most `patience_ms` for a place in its queue. 0; -ENOTCONN: there is none;
 * -EAGAIN: it does not read; or another -errno. */
int manager_tell(const char *state, const int *fds, unsigned count, int patience_ms);

#endif
