/* Writes changes of level and state as structured journal entries (or lines on stderr), each with
 * its id of core/message.h. */
#ifndef PENSTOCK_PUBLISH_JOURNAL_H
#define PENSTOCK_PUBLISH_JOURNAL_H

#include "base/text.h"
#include "publish/public_page.h"
#include "publish/headline.h"
#include "publish/status.h"

/* What was written last, so that each change is written once. Zero: nothing yet. */
struct journal {
	bool begun; /* there was a tick, with which sensors and sources are compared */
	enum level_number level;
	enum engine_state state;
	bool foreign; /* the pressure was not mail's */
	uint64_t level_since_realtime_us; /* 0: no tick yet */
	enum headline_kind headline;
	uint64_t headline_since_us; /* CLOCK_REALTIME; 0: no tick yet */
	uint64_t deferred_us; /* CLOCK_REALTIME: when clients were deferred last; 0: never */
	enum public_state customers; /* what they were told last */
	uint64_t public_since_us;
	uint64_t neighbour_us, leak_us; /* CLOCK_MONOTONIC of the last entry, 0: none */
	char neighbour_unit[96], leak_unit[96]; /* the control group that the entry named */
	enum sensor_state sensor[STATUS_SENSORS];
	struct source_stats sources;
	uint64_t proxy_down_us; /* CLOCK_MONOTONIC: since when the proxy is down; 0: it is up */
	bool proxy_down_told;
};

/* Whether a pressure that is not mail's is written now. `unit`: the control group that causes it;
 * "": not known. One that comes and goes is written again after ten minutes, and another cause
 * after ten seconds. */
bool journal_tells_neighbour(const struct journal *journal, bool foreign, const char *unit,
			     uint64_t now_us);
/* Whether a change of the proxy is written now: that it is down, once it has been for five seconds
 * (a restart takes less), and afterwards that it is up again. */
bool journal_tells_proxy(struct journal *journal, bool up, uint64_t now_us);
/* Once a tick, if a proxy is configured (otherwise `up` is true): writes such a change. */
void journal_proxy(struct journal *journal, bool up, const char *why, uint64_t now_us);
/* The line about a change of the level. While it rises for want of CPU time, the control group that
 * takes it is named. `by_front`: headline_front_reason(); `neighbours`: NULL if they are not
 * known. */
void journal_tell_level(enum level_number before, const struct engine_view *now,
			enum reason by_front, const struct sample *sample,
			const struct neighbours *neighbours, struct text *out);
/* Once a tick: writes what has changed: level, state, a neighbour that causes pressure, a leak,
 * sensors, the promises to sources. `by_front`: for a change of the level; `sample`: of this tick;
 * `registry`, `sources`: NULL if there are none. */
void journal_step(struct journal *journal, const struct engine_view *now, enum reason by_front,
		  const struct sample *sample, const struct registry *registry,
		  const struct source_stats *sources, uint64_t now_us, uint64_t realtime_us);

#endif
