#include "publish/console.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "host/orders.h"
#include "publish/explain.h"
#include "publish/snapshot.h"
#include "store/history.h"
#include "sources/sources.h"

/* A snapshot stays until the next tick once it is taken, so that an order shows together with the
 * plan that follows from it. */
static const struct status *show(const struct console *c)
{
	return snapshot_show(c->snapshot);
}

static const struct status *get_status(void *context)
{
	return show(context);
}

static int set_mode(void *context, enum plan_mode mode, char *why)
{
	struct console *c = context;

	orders_mode(c->orders, mode, show(c)->config.mode);
	return 0;
}

static int drain(void *context, uint64_t for_us, const char *reason, char *why)
{
	struct console *c = context;

	show(c);
	orders_drain(c->orders, for_us, reason);
	return 0;
}

static int resume(void *context, char *why)
{
	struct console *c = context;

	show(c);
	orders_resume(c->orders);
	return 0;
}

static int reload(void *context, char *why)
{
	struct console *c = context;

	return c->reload(c->context, why);
}

static void explain(void *context, const struct in6_addr *address, bool privileged,
		    struct text *text)
{
	struct console *c = context;
	struct source_snapshot snapshot;
	const struct status *status = show(c);
	_cleanup_free_ struct status *hidden = NULL;

	if (!privileged) {
		hidden = malloc(sizeof(*hidden));
		if (!hidden)
			return;
		status_hide_neighbours(status, hidden);
		status = hidden;
	}
	if (address && privileged && sources_snapshot(c->sources, address, c->plan, &snapshot))
		explain_status(status, address, &snapshot, text);
	else
		explain_status(status, address, NULL, text);
}

static unsigned list_sources(void *context, enum source_sort sort, struct source_snapshot *list,
			     unsigned most)
{
	struct console *c = context;

	return sources_list(c->sources, sort, c->plan, list, most);
}

static size_t list_history(void *context, uint64_t since_s, uint64_t until_s, uint32_t step_s,
			   struct history_record *ret, size_t most)
{
	struct console *c = context;

	return history_range(c->history, since_s, until_s, step_s, ret, most);
}

const struct control_ops console_ops = { .status = get_status,
					 .set_mode = set_mode,
					 .drain = drain,
					 .resume = resume,
					 .reload = reload,
					 .explain = explain,
					 .history = list_history,
					 .sources = list_sources };
