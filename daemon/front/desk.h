/* What fronts may ask of the daemon (desk_ops in front.h). Fronts of this process ask for verdicts.
 * The gate, and proxies in their own processes, decide themselves from the same plan; they ask for
 * ranks and report events. */
#ifndef PENSTOCK_FRONT_DESK_H
#define PENSTOCK_FRONT_DESK_H

#include "front/front.h"

struct fronts;
struct recording;
struct sources;

/* Set the pointers and leave the rest zero. What they point to stays the caller's. */
struct desk {
	const struct front_env *env;
	struct sources *sources;
	struct recording *recording; /* receiver of the events of sources */
	struct fronts *fronts; /* NULL before they are opened */
	const struct plan *plan;
	const struct load *load; /* of the last tick */
	struct plan_bucket bucket[PLAN_SERVICES];
	/* clients of each service admitted since the last tick: not yet in the kernel's count */
	uint64_t admitted[PLAN_SERVICES];
};

/* Their context is a struct desk. */
extern const struct desk_ops desk_ops;

/* Once a tick: `load` is new. */
void desk_tick(struct desk *desk);
/* Reports what happened to the clients of fronts in other processes to the table of sources, to the
 * recorder, and to the fronts of this process, which learn which clients the others refused.
 * `context`: a struct desk. */
void desk_seen_elsewhere(void *context, const struct source_event *events, unsigned count,
			 uint64_t now_us);

#endif
