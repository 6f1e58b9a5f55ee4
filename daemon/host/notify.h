/* Messages to the service manager (sd_notify(3)): READY, STATUS once in five seconds, the watchdog
 * twice a second. Without a service manager nothing is sent. No tick waits for a manager that does
 * not read (base/manager.h): it gets the message with a later tick. */
#ifndef PENSTOCK_HOST_NOTIFY_H
#define PENSTOCK_HOST_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "core/engine.h"

struct notify {
	bool ready; /* READY=1 was sent, since the last reload too */
	uint64_t status_us, watchdog_us; /* CLOCK_MONOTONIC of the last message, 0: none */
};

/* The last step of each tick: a tick that hangs must not feed the watchdog. */
void notify_step(struct notify *notify, const struct engine_view *view, uint64_t now_us);
/* Call the first when a reload begins, and the second when it has ended, with or without
 * success. */
void notify_reloading(uint64_t now_us);
void notify_reloaded(struct notify *notify);
void notify_stopping(void);

#endif
