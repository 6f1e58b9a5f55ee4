/* What an operator asks of the running daemon, over the control socket. */
#include "base/clock.h"
#include "base/log.h"
#include "daemon_parts.h"
#include "publish/explain.h"

static const struct status *get_status(void *context)
{
	return &((struct daemon *)context)->status;
}

static int set_mode(void *context, enum plan_mode mode, char *why)
{
	struct daemon *d = context;

	engine_set_mode(&d->engine, mode);
	log_notice(
		"mode is now %s, by order of an operator; a restart or reload goes back to what is configured",
		mode == PLAN_OBSERVE ? "observe" : "enforce");
	return 0;
}

static int drain(void *context, uint64_t for_us, const char *reason, char *why)
{
	struct daemon *d = context;

	engine_order(&d->engine, STATE_DRAINING, for_us ? clock_realtime_us() + for_us : 0, reason);
	return 0;
}

static int resume(void *context, char *why)
{
	struct daemon *d = context;

	engine_order(&d->engine, STATE_SERVING, 0, NULL);
	return 0;
}

static int reload(void *context, char *why)
{
	return daemon_reload(context, why);
}

static void explain(void *context, const char *address, struct text *text)
{
	struct daemon *d = context;

	explain_status(&d->status, address, text);
}

const struct control_ops daemon_control_ops = { .status = get_status,
						.set_mode = set_mode,
						.drain = drain,
						.resume = resume,
						.reload = reload,
						.explain = explain };
