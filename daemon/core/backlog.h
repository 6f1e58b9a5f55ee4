/* The queue behind the server: mail that was accepted and has not left yet. With an after-queue
 * filter sessions end fast while the queue grows, so neither T nor completions show the
 * overload. The machine can carry as much as the rate at which mail *leaves* the queue.
 *
 *   D         what leaves a second: jobs completed - growth of the messages that wait for this
 *             machine
 *   drain     how long these take at that rate. A few messages, or mail that waits for other
 *             servers, are no backlog
 *   allowed   D + (D x half the target - backlog) / SETTLE: the set point of an integrator. The
 *             backlog settles at half of the target (in seconds of mail), so that the filter never
 *             runs dry. It binds from a quarter of the target on
 *
 * Jobs are sessions. If a session brings several messages, the figures scale alike, and the backlog
 * settles at as many times more.
 *
 * The queue can be read once a second at best, hence the slow constants. If a reading fails now and
 * then, the last one is used. */
#ifndef PENSTOCK_CORE_BACKLOG_H
#define PENSTOCK_CORE_BACKLOG_H

#include <stdbool.h>

struct backlog {
	/* smoothed: messages; messages a second; jobs a second */
	double ready_ew, growth_ew, rate_ew;
	double looked, missed_s; /* the last reading of the queue; seconds since then */
	bool primed;
};

struct backlog_view {
	bool known;
	double growth_per_s; /* negative: it shrinks */
	double leaving_per_s; /* D */
	double drain_s;
	double allowed_per_s; /* jobs that may be taken a second; -1: the queue does not bind */
};

/* `target_s`: the target of queue_drain_s. 0: the queue never binds, because the next hop is
 * another machine that may be slow for reasons of its own. `ready`: messages that wait for this
 * machine; -1: not known. `jobs_per_s`: the jobs that the services completed, or admitted where
 * completions cannot be seen. */
void backlog_step(struct backlog *backlog, double ready, double jobs_per_s, double target_s,
		  double dt_s, struct backlog_view *ret);

#endif
