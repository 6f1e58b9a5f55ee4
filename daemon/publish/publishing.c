#include "publish/publishing.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "publish/console.h"
#include "publish/history_take.h"
#include "publish/journal.h"
#include "publish/outlets.h"
#include "sources/sources.h"
#include "store/history.h"

struct publishing {
	struct snapshot snapshot;
	struct sources *sources;
	struct history *history;
	struct history_take taken; /* counters as of the last record of the history */
	struct journal journal;
	struct lately lately;
	struct console console;
	struct outlets *outlets;
};

int publishing_open(const struct publishing_env *env, struct publishing **ret_publishing)
{
	struct publishing *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return -ENOMEM;
	p->sources = env->sources;
	p->history = env->history;
	p->console = (struct console){ .orders = env->orders,
				       .sources = env->sources,
				       .history = env->history,
				       .plan = env->parts.plan,
				       .snapshot = &p->snapshot,
				       .reload = env->reload,
				       .context = env->context };
	r = outlets_open(env->base, env->parts.config, &console_ops, &p->console, &p->outlets);
	if (r < 0) {
		free(p);
		return r;
	}
	p->snapshot.parts = env->parts;
	p->snapshot.parts.journal = &p->journal;
	p->snapshot.parts.lately = &p->lately;
	p->snapshot.parts.outlets = p->outlets;
	p->snapshot.parts.started_us = clock_realtime_us();
	publishing_reloaded(p, true, clock_realtime_us());
	*ret_publishing = p;
	return 0;
}

void publishing_close(struct publishing *p)
{
	if (!p)
		return;
	outlets_close(p->outlets);
	free(p);
}

void publishing_hold(struct publishing *p)
{
	snapshot_show(&p->snapshot);
}

void publishing_configure(struct publishing *p, uint64_t now_us)
{
	outlets_configure(p->outlets, now_us);
}

void publishing_reloaded(struct publishing *p, bool ok, uint64_t realtime_us)
{
	p->snapshot.parts.reload_ok = ok;
	p->snapshot.parts.reloaded_us = realtime_us;
}

/* Once a second. */
static void keep_history(struct publishing *p, uint64_t realtime_us)
{
	struct history_record record;

	if (!history_due(&p->taken, realtime_us))
		return;
	history_take(&p->taken, snapshot_show(&p->snapshot), &record);
	history_put(p->history, &record);
	sources_deferred_taken(p->sources);
}

/* Every few seconds. */
static void keep_lately(struct publishing *p, uint64_t now_us)
{
	const struct status *s;
	uint64_t id[PLAN_SERVICES];

	if (!lately_due(&p->lately, now_us))
		return;
	s = snapshot_show(&p->snapshot);
	config_service_ids(&s->config, id);
	lately_turn(&p->lately, id, s->total, now_us);
}

static void look_at_proxy(struct publishing *p, uint64_t now_us)
{
	const char *why;
	bool up = snapshot_proxy_up(&p->snapshot.parts, &why);

	journal_proxy(&p->journal, up, why, now_us);
}

void publishing_step(struct publishing *p, const struct registry *registry, uint64_t now_us,
		     uint64_t realtime_us)
{
	const struct engine_view *view = &p->snapshot.parts.engine->view;
	enum reason by_front = REASON_NONE;

	p->snapshot.parts.realtime_us = realtime_us;
	/* Before the journal knows of the new level. */
	if (p->journal.level != view->level.number)
		by_front = headline_front_reason(snapshot_show(&p->snapshot));
	journal_step(&p->journal, view, by_front, p->snapshot.parts.sample, registry,
		     sources_stats(p->sources), now_us, realtime_us);
	snapshot_forget(&p->snapshot);
	look_at_proxy(p, now_us);
	keep_history(p, realtime_us);
	keep_lately(p, now_us);
	outlets_step(p->outlets, view, now_us);
}
