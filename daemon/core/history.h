/* What happened, second by second, as plain data: what was offered, what clients were told and
 * why, which resource was short. There are three rings: seconds for an hour, ten seconds for a
 * day, minutes for 30 days. The time of a record determines its slot, so that a jump of the
 * clock, a gap or a restart needs no repair: a record in a slot of another time is ignored.
 *
 * Pure. store/history.h keeps the rings and writes them, publish/history_take.h makes records of
 * the snapshot, publish/history_tell.h tells them. */
#ifndef PENSTOCK_CORE_HISTORY_H
#define PENSTOCK_CORE_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/distinct.h"
#include "core/reason.h"
#include "core/sample.h"

enum history_tier { HISTORY_SECONDS, HISTORY_TENS, HISTORY_MINUTES, HISTORY__TIERS };

#define HISTORY_HOUR 3600u /* slots of the first ring */
#define HISTORY_DAY 8640u
#define HISTORY_MONTH 43200u
#define HISTORY_SLOTS (HISTORY_HOUR + HISTORY_DAY + HISTORY_MONTH) /* slots of the file */

enum history_flag {
	HISTORY_STARTED = 1 << 0, /* penstockd started */
	HISTORY_RELOADED = 1 << 1, /* with another configuration */
	HISTORY_REFUSING = 1 << 2, /* clients were deferred */
	HISTORY_MODE_CHANGED = 1 << 3, /* perhaps there and back */
};

#define HISTORY_SERVICES 4 /* the first services of the configuration; the sums are over all */

struct history_service {
	char name[12]; /* cut short; empty: there is no service */
	uint32_t offered, admitted, deferred; /* connections */
	/* the last; the highest; the highest of this time */
	float window, in_flight, server_time_s;
};

/* As it stands in the file, in the byte order of this machine. A figure that is not known is
 * -1. */
struct history_record {
	uint64_t sum; /* XXH3 of all bytes that follow; 0: an empty slot */
	uint64_t at_s; /* CLOCK_REALTIME, a multiple of period_s: when it begins */
	uint32_t period_s; /* 1, 10 or 60 */
	uint32_t seconds; /* how many of these seconds penstockd was running */
	uint8_t level; /* the highest of this time */
	uint8_t state, mode; /* enum engine_state, enum plan_mode: the last */
	uint8_t headline; /* enum headline_kind: the most important */
	uint8_t flags; /* enum history_flag; joined with OR */
	uint8_t unused[3];
	float pressure[RESOURCE__COUNT]; /* the highest of each */
	float demand; /* offered / what can be carried, the highest */
	/* of the driver, the resource with the highest pressure: the highest */
	float driver_pressure;
	float driver_value; /* of its signal, in the signal's unit */
	float window, in_flight; /* over the services that are shed: the last, the highest */
	float server_time_s, connect_220_s; /* the highest */
	uint32_t offered, admitted, deferred, would_defer; /* connections */
	uint32_t sources_deferred; /* sources that were deferred and will come back: the highest */
	uint32_t by_reason[REASON__COUNT]; /* deferred connections by enum reason */
	char driver[16], signal[32]; /* "disk", "fsync_p99_us" */
	char unit[32]; /* the neighbour that caused pressure; empty: none */
	struct history_service service[HISTORY_SERVICES];
	/* Sources that were deferred. Empty if sources are not counted one by one. */
	struct distinct sources;
	/* The waiting room: most connections in it at once, -1: no front has one; how the waits
	 * ended; how long they lasted, in sum. */
	float held;
	uint32_t held_admitted, held_in_vain, held_left;
	float held_s;
};

_Static_assert(sizeof(struct history_record) == 488, "its size on disk: raise HISTORY_VERSION");

unsigned history_period(enum history_tier tier); /* s */
unsigned history_slots(enum history_tier tier);
/* The slot of a time in the ring of `tier`. */
unsigned history_slot(enum history_tier tier, uint64_t at_s);
/* Whether `r` is the record of `at_s` (a multiple of the period) in this ring. */
bool history_stands_for(const struct history_record *r, enum history_tier tier, uint64_t at_s);
/* Adds a later record to one of a longer period. If `into` has seconds == 0, it begins with `r`;
 * the caller has set its at_s and period_s. */
void history_fold(struct history_record *into, const struct history_record *r);
/* The connections that `offered`, `admitted` and `deferred` of one time are about: those that came,
 * or those that got their verdict, whichever are more. A client that waited for a place came
 * earlier than it got its verdict. `late`: of the deferred, those that were admitted first. */
uint64_t history_connections(uint32_t offered, uint32_t admitted, uint32_t deferred, uint32_t late);
/* The same of a record. */
uint64_t history_all(const struct history_record *r);
/* The waits for a place that ended in this time. */
uint64_t history_waits(const struct history_record *r);
/* The finest ring that reaches back to `since_s`. */
enum history_tier history_tier_for(uint64_t now_s, uint64_t since_s);

#endif
