/* Why connections were deferred in the last seconds, by service and reason; counters since the
 * start do not show that. (Which share is deferred: deferred_ratio of core/engine.h.) It keeps only
 * two readings of the counters, the older 5 to 10 s old.
 *
 * Example: 60 connections a second, 24 of them deferred, most because of the CPU: offered 500,
 * deferred 200, deferred_by[REASON_CPU] 180, deferred_by[REASON_SOURCE] 20. */
#ifndef PENSTOCK_PUBLISH_LATELY_H
#define PENSTOCK_PUBLISH_LATELY_H

#include <stdbool.h>
#include <stdint.h>

#include "core/counts.h"

#define LATELY_TURN_US UINT64_C(5000000)

/* Numbers of connections. */
struct lately_service {
	uint64_t offered, deferred, deferred_by[REASON__COUNT];
};

/* Counters as they were. A reload may give a service another number, so each is known by its name:
 * plan_service_id(), 0 behind the last one. */
struct lately_reading {
	uint64_t id[PLAN_SERVICES];
	struct lately_service service[PLAN_SERVICES];
};

/* All zero: nothing is known yet. */
struct lately {
	bool begun;
	uint64_t turned_us; /* CLOCK_MONOTONIC: when the newer reading was taken */
	struct lately_reading older, newer;
};

/* Whether it is time for lately_turn(). */
bool lately_due(const struct lately *lately, uint64_t now_us);
/* Takes a reading: `total` are the counters of the services `id`, over all fronts. */
void lately_turn(struct lately *lately, const uint64_t id[PLAN_SERVICES],
		 const struct counts_service *total, uint64_t now_us);
/* What happened since the older reading. A counter that went back (a front is gone) counts as 0,
 * and so do those of a service that is new. */
void lately_tell(const struct lately *lately, const uint64_t id[PLAN_SERVICES],
		 const struct counts_service *total, struct lately_service *ret);
/* How many connections the front refused by itself, as it does in observe mode, too: the server
 * cannot be reached, or the front is full. `ret_reason`: of most of them; it stays as it is if
 * there is none. */
uint64_t lately_by_front(const struct lately_service *lately, enum reason *ret_reason);
/* The reason of most deferrals; REASON_NONE: no connection was deferred. */
enum reason lately_reason(const struct lately_service *lately);

#endif
