/* The second stage: a filter behind the queue, found from the server's own connections
 * (sensor/filters.h), where nothing else tells that it falls behind. A place is free when the
 * message has left the filter, not at its 250.
 *
 * F: what a message costs the filter in CPU, learned while it keeps up. Leaving: the CPU of the
 * filter over F, messages a second. Behind: what was taken and has not left, summed up while the
 * filter does not keep up. Carries: .97 cores / (D + F), what server and filter can do together,
 * where D is the server's CPU for a message. Where the machine is not pressed the filter has a
 * bound of its own, and carries what leaves it.
 *
 * It keeps up while no connection stands in its accept queue and the machine is not pressed; then
 * nothing is behind. It binds when what is behind takes longer than two seconds of what is carried
 * where it shares pressed CPUs with the server (each message taken too soon costs it CPU), else a
 * quarter of the target of queue_drain_s, as the queue itself does (backlog.h).
 *
 * Example: a message costs the server 10 ms and the filter 40, and 200 a second come. The sessions
 * take the core, the filter gets a quarter of what it needs, and 5 a second leave. Server and
 * filter together carry .97 / .05 = 19.4 a second: so many are let in, and the filter gets its .78
 * cores. */
#ifndef PENSTOCK_CORE_SECOND_STAGE_H
#define PENSTOCK_CORE_SECOND_STAGE_H

#include <stdbool.h>

#include "core/sample.h"

struct second_stage {
	double jobs_ew, server_ew, filter_ew; /* a second; cores: over TAU_COST_S */
	double filter_now, queued; /* cores, connections: over TAU_RATE_S */
	double cost_s; /* F; 0: not known */
	double behind; /* messages */
	double jobs; /* since the start */
};

struct second_stage_input {
	const struct sample *sample;
	double dt_s;
	double jobs_per_s; /* that the services completed */
	double saturation; /* of the machine, 0..1; -1: not known */
	double cores; /* that server and filter share */
	double target_s; /* of queue_drain_s; 0: what is behind is no concern */
};

struct second_stage_view {
	bool known; /* a filter was found, and F is known */
	bool keeps_up;
	double cost_s, server_cost_s; /* F, D; D is 0 where it is not known */
	double leaving_per_s, behind, carries_per_s;
	double allowed_per_s; /* messages that may be taken a second; -1: it does not bind */
};

void second_stage_step(struct second_stage *stage, const struct second_stage_input *in,
		       struct second_stage_view *ret);

#endif
