/* Planned maintenance, [maintenance] window. Whether a window is in force depends on the clock
 * alone, so that a restart in the middle of a window changes nothing. It is ordered like a drain
 * (host/orders.h). An operator's drain takes precedence, and penstockctl resume ends the window
 * in force. */
#ifndef PENSTOCK_HOST_MAINTENANCE_H
#define PENSTOCK_HOST_MAINTENANCE_H

#include <stdint.h>

#include "config/config.h"
#include "core/maintenance.h"

struct orders;

struct maintenance {
	struct orders *orders;
	unsigned usable; /* windows whose time zone is known */
	struct maintenance_window window[CONFIG_WINDOWS];
	struct maintenance_view view;
	int64_t looked_s, until_s; /* the view holds in [looked_s, until_s) */
	int64_t announced_s; /* begin of the window that was announced, */
	unsigned announced; /* and how often: a day before, an hour before */
};

/* Call it at the start and after a change of the configuration. Logs each window that cannot take
 * effect. */
void maintenance_configure(struct maintenance *maintenance, const struct config *config);
/* Once a tick, before the engine's step: begins and ends windows, and announces the next one. */
void maintenance_tick(struct maintenance *maintenance, uint64_t now_us, uint64_t realtime_us);

#endif
