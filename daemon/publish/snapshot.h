/* Takes the snapshot that every output shows (publish/status.h) from the parts of the daemon, which
 * it only reads. */
#ifndef PENSTOCK_PUBLISH_SNAPSHOT_H
#define PENSTOCK_PUBLISH_SNAPSHOT_H

#include "publish/status.h"

struct fleet;
struct fronts;
struct history;
struct journal;
struct lately;
struct learned;
struct logind;
struct outlets;
struct proxy_counters;
struct sensing;
struct sources;
struct timer;

struct snapshot_parts {
	const struct config *config;
	const struct engine *engine;
	const struct sample *sample; /* of the last tick, and so are load and plan */
	const struct load *load;
	const struct plan *plan;
	const struct maintenance_view *maintenance;
	const struct sensing *sensing;
	const struct proxy_counters *proxy_counters; /* NULL: proxies are not seen */
	const struct fronts *fronts;
	const struct sources *sources;
	const struct learned *learned;
	const struct history *history;
	const struct fleet *fleet;
	const struct journal *journal;
	const struct lately *lately;
	const struct timer *timer;
	const struct logind *logind;
	const struct outlets *outlets;
	uint64_t realtime_us; /* of the last tick */
	uint64_t started_us; /* CLOCK_REALTIME, and so is reloaded_us */
	uint64_t reloaded_us;
	bool reload_ok;
};

struct snapshot {
	struct snapshot_parts parts;
	struct status status; /* snapshot_show() */
};

/* Whether a proxy decides now, or none is configured. Otherwise `ret_why` is the reason, a text
 * that stays. Needs no snapshot. */
bool snapshot_proxy_up(const struct snapshot_parts *parts, const char **ret_why);
/* The snapshot of the last tick. It is large and seldom needed, so it is taken only when it is
 * asked for. Everything is copied: it holds no pointer to anything that changes. */
const struct status *snapshot_show(struct snapshot *snapshot);
/* Something that it shows has changed since the tick began: snapshot_show() takes it again. */
void snapshot_forget(struct snapshot *snapshot);

#endif
