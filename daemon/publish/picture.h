/* Takes the picture that every output shows (publish/status.h). It only reads the parts of the
 * daemon. */
#ifndef PENSTOCK_PUBLISH_PICTURE_H
#define PENSTOCK_PUBLISH_PICTURE_H

#include "publish/status.h"

struct fleet;
struct fronts;
struct journal;
struct lately;
struct logind;
struct outlets;
struct proxy_counters;
struct sensing;
struct sources;
struct timer;

struct picture_parts {
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
	const struct fleet *fleet;
	const struct journal *journal;
	const struct lately *lately;
	const struct timer *timer;
	const struct logind *logind; /* NULL: out of memory */
	const struct outlets *outlets;
	uint64_t realtime_us; /* of the last tick */
	uint64_t started_us; /* CLOCK_REALTIME, and so is reloaded_us */
	uint64_t reloaded_us;
	bool reload_ok;
};

/* Copies everything: `ret` holds no pointer to anything that changes. */
void picture_take(const struct picture_parts *parts, struct status *ret);

#endif
