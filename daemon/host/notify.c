#include "host/notify.h"

#include <math.h>
#include <systemd/sd-daemon.h>

#include "base/clock.h"

#define STATUS_US (5 * US_PER_S)
#define WATCHDOG_US (US_PER_S / 2) /* each message wakes the service manager */

void notify_step(struct notify *n, const struct engine_view *v, uint64_t now_us)
{
	if (!n->ready) {
		n->ready = true;
		sd_notify(0, "READY=1");
	}
	if (now_us - n->status_us >= STATUS_US || n->status_us == 0) {
		n->status_us = now_us;
		sd_notifyf(0, "STATUS=%s, %s, pressure %.2f (%s), %.0f in flight",
			   engine_state_name(v->state), level_name(v->level.number),
			   v->pressure.combined, resource_name(v->pressure.driver),
			   fmax(0, v->in_flight));
	}
	if (now_us - n->watchdog_us >= WATCHDOG_US) {
		n->watchdog_us = now_us;
		sd_notify(0, "WATCHDOG=1");
	}
}

void notify_reloading(uint64_t now_us)
{
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)now_us);
}

void notify_reloaded(void)
{
	sd_notify(0, "READY=1");
}

void notify_stopping(void)
{
	sd_notify(0, "STOPPING=1");
}
