/* What an operator asks of the running daemon, over the control socket. */
#include "base/clock.h"
#include "base/log.h"
#include "daemon_parts.h"
#include "publish/explain.h"

static const struct status *get_status(void *context)
{
	return daemon_status(context);
}

static int set_mode(void *context, enum plan_mode mode, char *why)
{
	struct daemon *d = context;

	daemon_order_mode(d, mode);
	log_notice(
		"mode is now %s, by order of an operator; a restart or reload goes back to what is configured",
		mode == PLAN_OBSERVE ? "observe" : "enforce");
	return 0;
}

static bool is_ordered(const struct daemon *d)
{
	return d->engine.view.state == STATE_DRAINING || d->engine.view.state == STATE_MAINTENANCE;
}

static int drain(void *context, uint64_t for_us, const char *reason, char *why)
{
	struct daemon *d = context;

	d->shutdown_drain = false; /* an operator's order outlives a shutdown that is called off */
	daemon_order(d, STATE_DRAINING, for_us ? clock_monotonic_us() + for_us : 0, reason);
	return 0;
}

static int resume(void *context, char *why)
{
	struct daemon *d = context;

	daemon_order(d, STATE_SERVING, 0, NULL);
	return 0;
}

static int reload(void *context, char *why)
{
	return daemon_reload(context, why);
}

static void explain(void *context, const char *address, bool privileged, struct text *text)
{
	struct daemon *d = context;
	struct source_picture picture;
	struct in6_addr source;

	if (address && privileged && explain_address(address, &source) == 0 &&
	    daemon_picture(d, &source, &picture))
		explain_status(daemon_status(d), address, &picture, text);
	else
		explain_status(daemon_status(d), address, NULL, text);
}

static unsigned list_sources(void *context, enum source_sort sort, struct source_picture *list,
			     unsigned most)
{
	return daemon_list_sources(context, sort, list, most);
}

const struct control_ops daemon_control_ops = { .status = get_status,
						.set_mode = set_mode,
						.drain = drain,
						.resume = resume,
						.reload = reload,
						.explain = explain,
						.sources = list_sources };

/* Whoever shuts the machine down orders this too, in observe mode as well: after it there is no mail server to observe. */
static void going_down(void *context)
{
	struct daemon *d = context;

	log_notice(
		"the machine goes down: new mail is answered with \"server shutdown in progress\"");
	if (is_ordered(d))
		return;
	d->shutdown_drain = true;
	daemon_order(d, STATE_DRAINING, 0, "the machine goes down");
}

static void stays_up(void *context)
{
	struct daemon *d = context;

	log_notice("the machine does not go down after all");
	if (d->shutdown_drain && d->engine.view.state == STATE_DRAINING)
		daemon_order(d, STATE_SERVING, 0, NULL);
	d->shutdown_drain = false;
}

const struct logind_ops daemon_logind_ops = { .going_down = going_down, .stays_up = stays_up };
