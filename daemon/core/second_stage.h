/* The second stage: a filter behind the queue, found from the server's own connections
 * (sensor/filters.h). Nothing else shows that it falls behind. A place is free when the
 * message has left the filter, not at its 250.
 *
 * F: what a message costs the filter in CPU. Leaving: the CPU of the filter over F, messages a
 * second. Behind: what was taken and has not left, summed up. Carries: .97 cores / (D + F), what
 * server and filter can do together, where D is the server's CPU for a message. Where connections
 * stand in the filter's accept queue and CPU is left, the filter has a bound of its own, and
 * carries what leaves it.
 *
 * F is learned while nothing is behind: no connection stands in the accept queue, and server and
 * filter leave CPU. A message is taken first and filtered later, so an overload looks at its
 * beginning like messages that cost less. What was seen counts only when nothing is behind two
 * seconds later; what was seen in the last ones before an overload is thrown away.
 *
 * It binds when what is behind takes longer than four seconds of what is carried (each message
 * taken too soon costs the filter CPU), or at a bound of its own a quarter of the target of
 * queue_drain_s, as the queue itself does (backlog.h). What is over that is worked off within a
 * minute. It lets go when that is done, and at once when CPU is left for two seconds: then the
 * filter has all that it wants, and F was too high. That the sessions stall no longer says nothing
 * while it binds: they are few then because of it.
 *
 * Example: a message costs the server 10 ms and the filter 40, and 200 a second come. The sessions
 * take the core, the filter gets a quarter of what it needs, and 5 a second leave. Server and
 * filter together carry .97 / .05 = 19.4 a second: so many are let in, and the filter gets its .78
 * cores. */
#ifndef PENSTOCK_CORE_SECOND_STAGE_H
#define PENSTOCK_CORE_SECOND_STAGE_H

#include <stdbool.h>

#include "core/sample.h"

/* What was seen of the filter while nothing was behind: over FILTER_TAU_S. */
struct second_stage_seen {
	double jobs, cpu_s;
};

struct second_stage {
	double jobs_ew, server_ew; /* a second; cores: over TAU_COST_S */
	double server_now, filter_now, queued; /* cores, connections: over TAU_RATE_S */
	/* Up to now, up to the last look, and up to the one before, which counts. */
	struct second_stage_seen seen, last, proven;
	double look_s; /* since the last look */
	double idle_s; /* for so long CPU has been left */
	double used, missed_s; /* the last reading of the filter's CPU; how long ago it was */
	double cost_s; /* F; 0: not known */
	double behind; /* messages */
	double jobs; /* that were seen */
};

struct second_stage_input {
	const struct sample *sample;
	double dt_s;
	double jobs_per_s; /* that the services completed */
	double saturation; /* of the machine, 0..1; -1: not known */
	double cores; /* of the machine, where those of the server are not known */
	double target_s; /* of queue_drain_s; 0: what is behind is no concern */
};

struct second_stage_view {
	bool known; /* a filter was found, and F is known */
	bool keeps_up; /* nothing stands in its accept queue, and next to nothing is behind */
	double cost_s, server_cost_s; /* F, D; D is 0 where it is not known */
	double leaving_per_s, behind, carries_per_s;
	double behind_max; /* messages: it binds above */
	double allowed_per_s; /* messages that may be taken a second; -1: it does not bind */
};

void second_stage_step(struct second_stage *stage, const struct second_stage_input *in,
		       struct second_stage_view *ret);

#endif
