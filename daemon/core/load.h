/* What the guarded services do now, as far as it can be seen: the second input of the engine beside
 * the sample. Counters only grow (the engine takes differences and tolerates a reset); gauges are
 * the present values. `known` says which members can be seen. */
#ifndef PENSTOCK_CORE_LOAD_H
#define PENSTOCK_CORE_LOAD_H

#include <stdint.h>

#include "core/plan.h"

enum load_known {
	LOAD_IN_FLIGHT = 1 << 0,
	LOAD_OFFERED = 1 << 1, /* offered, admitted, deferred */
	LOAD_COMPLETED = 1 << 2, /* completed, finished */
	LOAD_BUSY = 1 << 3, /* busy, busy_us, server_us, session_us */
	LOAD_UNGREETED = 1 << 4, /* ungreeted */
	LOAD_HELD = 1 << 5, /* held, held_longest_s, held_admitted, held_in_vain, held_left */
	LOAD_STUCK = 1 << 6, /* stuck; else it is 0 */
};

struct load_service {
	uint32_t known;
	uint64_t offered, admitted, deferred, would_defer;
	uint64_t completed, finished; /* see counts.h */
	uint64_t busy_us, server_us, session_us;
	double in_flight, shadow_in_flight, busy, ungreeted;
	/* The waiting room in front of the server: see counts.h. */
	uint64_t held_admitted, held_in_vain, held_left;
	double held; /* now */
	double held_longest_s; /* how long the first of them has waited */
	/* in flight, and not in `busy`: sessions that later ones have overtaken, or that the server
	 * has owed an answer for very long (core/overtaken.h) */
	double stuck;
};

struct load {
	struct load_service service[PLAN_SERVICES];
};

#endif
