/* What fronts may ask of the daemon (desk_ops in front.h): verdicts for those that ask in this
 * process, ranks and events for those that decide by themselves, as the gate does, and proxies in
 * processes of their own, from the same plan. */
#ifndef PENSTOCK_FRONT_DESK_H
#define PENSTOCK_FRONT_DESK_H

#include "front/front.h"

struct fronts;
struct recording;
struct sources;

/* Zero but for the pointers, which stay the caller's. */
struct desk {
	const struct front_env *env;
	struct sources *sources;
	struct recording *recording; /* of the events that the sources take */
	struct fronts *fronts; /* NULL until they are there */
	const struct plan *plan;
	const struct load *load; /* of the last tick */
	struct plan_bucket bucket;
	uint64_t admitted; /* since the last tick: not yet in the kernel's count */
};

/* Their context is a struct desk. */
extern const struct desk_ops desk_ops;

/* Once a tick: `load` is new. */
void desk_tick(struct desk *desk);
/* What became of clients of fronts in processes of their own: the table of sources takes it in, the
 * recorder writes it down, and the fronts of this process hear whom they refused. `context`: a
 * struct desk. */
void desk_seen_elsewhere(void *context, const struct source_event *events, unsigned count,
			 uint64_t now_us);
/* A verdict as the table of sources takes it. */
struct source_event desk_event(const struct in6_addr *address, unsigned service,
			       struct verdict verdict);

#endif
