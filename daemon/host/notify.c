#include "host/notify.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/manager.h"

#define STATUS_US (5 * US_PER_S)
#define WATCHDOG_US (US_PER_S / 2) /* each message wakes the service manager */

/* Sends a message. False: the manager does not read now, so a later tick sends it again. */
static bool tell(const char *state)
{
	return manager_tell(state, NULL, 0, 0) != -EAGAIN;
}

static bool tell_status(const struct engine_view *v)
{
	char text[256];

	snprintf(text, sizeof(text), "STATUS=%s, %s, pressure %.2f (%s), %.0f in flight",
		 engine_state_name(v->state), level_name(v->level.number), v->pressure.combined,
		 resource_name(v->pressure.driver), fmax(0, v->in_flight));
	return tell(text);
}

void notify_step(struct notify *n, const struct engine_view *v, uint64_t now_us)
{
	if (!n->ready)
		n->ready = tell("READY=1");
	if (now_us - n->watchdog_us >= WATCHDOG_US && tell("WATCHDOG=1"))
		n->watchdog_us = now_us;
	if ((now_us - n->status_us >= STATUS_US || n->status_us == 0) && tell_status(v))
		n->status_us = now_us;
}

void notify_reloading(uint64_t now_us)
{
	char text[64];

	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%llu",
		 (unsigned long long)now_us);
	tell(text);
}

void notify_reloaded(struct notify *n)
{
	n->ready = tell("READY=1");
}

void notify_stopping(void)
{
	tell("STOPPING=1");
}
