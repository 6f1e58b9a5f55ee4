/* The second stage: a filter behind the queue, found from the server's own connections
 * (sensor/filters.h). If the filter falls behind, nothing else shows it. A place is free when the
 * message has left the filter, and not at its 250.
 *
 * F         CPU seconds that a message costs the filter
 * leaving   CPU used by the filter / F: messages a second
 * behind    what was taken and has not left, summed up
 * carries   .97 cores / (D + F): what server and filter can do together; D is the server's CPU
 *           for a message. If connections stand in the filter's accept queue and CPU is left, the
 *           filter has a bound of its own, and carries what leaves it
 *
 * F is learned while nothing is behind: the accept queue is empty, and server and filter leave CPU
 * idle. A message is taken first and filtered later, so at its beginning an overload looks like
 * messages that cost less. Therefore a measurement counts only if nothing is behind two seconds
 * later; otherwise it is thrown away.
 *
 * The bound takes effect when what is behind takes longer than four seconds at the rate that is
 * carried, because each message taken too soon costs the filter CPU. If the filter has a bound of
 * its own, it takes effect at a quarter of the target of queue_drain_s, as that of the queue does
 * (backlog.h). What is above that is worked off within a minute. The bound ends when that is done,
 * and at once when CPU was left for two seconds: then the filter has all the CPU that it wants, and
 * F was too high. While the bound is in effect, few sessions run because of it, so their stalls say
 * nothing about the machine.
 *
 * Example: a message costs the server 10 ms and the filter 40 ms, and 200 a second come. The
 * sessions take the core, the filter gets a quarter of the CPU that it needs, and 5 a second leave.
 * Server and filter together carry .97 / .05 = 19.4 a second. So 19.4 a second are let in, and the
 * filter gets its .78 cores. */
#ifndef PENSTOCK_CORE_SECOND_STAGE_H
#define PENSTOCK_CORE_SECOND_STAGE_H

#include <stdbool.h>

#include "core/sample.h"

/* What was seen of the filter while nothing was behind, averaged over FILTER_TAU_S. */
struct second_stage_seen {
	double jobs, cpu_s;
};

struct second_stage {
	double jobs_ew, server_ew; /* a second; cores: over TAU_COST_S */
	double server_now, filter_now, queued; /* cores, connections: over TAU_RATE_S */
	/* Up to now; up to the last look; and up to the one before, which counts. */
	struct second_stage_seen seen, last, proven;
	double look_s; /* time since the last look */
	double idle_s; /* how long CPU has been left */
	double used, missed_s; /* the last reading of the filter's CPU; how long ago it was */
	double cost_s; /* F; 0: not known */
	double behind; /* messages */
	double jobs; /* how many were seen */
};

struct second_stage_input {
	const struct sample *sample;
	double dt_s;
	double jobs_per_s; /* that the services completed */
	double saturation; /* of the machine, 0..1; -1: not known */
	double cores; /* of the machine; used if those of the server are not known */
	double target_s; /* the target of queue_drain_s; 0: never bind */
};

struct second_stage_view {
	bool known; /* a filter was found, and F is known */
	bool keeps_up; /* its accept queue is empty, and next to nothing is behind */
	double cost_s, server_cost_s; /* F, D; D is 0 if it is not known */
	double leaving_per_s, behind, carries_per_s;
	double behind_max; /* messages behind, above which it binds */
	double allowed_per_s; /* messages that may be taken a second; -1: it does not bind */
};

/* What a restart keeps: F, CPU seconds of a message. Ignored if it makes no sense. */
void second_stage_restore(struct second_stage *stage, double cost_s);
void second_stage_step(struct second_stage *stage, const struct second_stage_input *in,
		       struct second_stage_view *ret);

#endif
