/* What HAProxy's agent-check is told of this host: one line of words, from the plan alone. Pure.
 * https://docs.haproxy.org/2.6/configuration.html#5.2-agent-check
 *
 *   no current plan, or nothing is limited   up ready 100% maxconn:0
 *   a window of 20, once 80                  up ready 50% maxconn:20
 *   drain or maintenance                     up drain
 *
 * When an agent is gone, HAProxy keeps its last line. So every line except that of a drain names
 * `ready`, a weight and a maxconn, and the process that answers has to outlive penstockd:
 * penstock-agent(8). */
#ifndef PENSTOCK_FRONT_AGENT_LINE_H
#define PENSTOCK_FRONT_AGENT_LINE_H

#include <stddef.h>

#include "core/plan.h"

#define AGENT_LINE_MAX 64

struct agent_options {
	unsigned service; /* index in the plan */
	uint32_t balancers; /* HAProxy processes that share this host, at least 1 */
	/* connections of all of them, with a plan or without; 0: no such limit */
	uint32_t connections_max;
};

/* Zero at first. The weight is full down to half of the window that a host usually has, because
 * windows change without an overload, too. Below that it shrinks with the window. */
struct agent_memory {
	double usual; /* largest window seen, halved each AGENT_HALF_LIFE_US; 0: none yet */
	uint64_t seen_us;
};
#define AGENT_HALF_LIFE_US UINT64_C(600000000)

/* The line with its LF into `buf` (AGENT_LINE_MAX); its length. `plan` NULL: there is no current
 * plan. */
size_t agent_line(const struct plan *plan, const struct agent_options *options, uint64_t now_us,
		  struct agent_memory *memory, char *buf);

#endif
