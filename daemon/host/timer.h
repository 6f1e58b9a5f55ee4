/* Decides when a tick comes: at fixed times, however long a tick takes; less often while the
 * machine is idle; earlier when the kernel reports stalled tasks (a PSI trigger). It also measures
 * how late each tick came: a daemon that has to wait for a CPU cannot judge what the machine can
 * carry. */
#ifndef PENSTOCK_HOST_TIMER_H
#define PENSTOCK_HOST_TIMER_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "core/counts.h"
#include "core/load.h"

struct event_base;
struct timer;

/* Histograms have the slots of counts_slot(), in us. */
struct timer_view {
	uint64_t durations[COUNTS_SLOTS], duration_sum_us; /* of ticks */
	uint64_t lateness[COUNTS_SLOTS],
		lateness_sum_us; /* from when a tick was due to when it ran */
	uint64_t late; /* ticks more than one interval late */
	uint64_t early; /* ticks that a PSI trigger caused */
	char triggers[160]; /* which triggers there are, or why there is none */
	char scheduling[160]; /* how this process is scheduled */
};

/* Calls tick(context, urgent) from the loop; urgent: a trigger caused it. 0, or -errno: there is no
 * timer. */
int timer_open(struct event_base *base, const struct config *config,
	       void (*tick)(void *context, bool urgent), void *context, struct timer **ret_timer);
void timer_close(struct timer *timer);
/* Call it when the interval or the targets of the stalls may have changed. */
void timer_configure(struct timer *timer, const struct config *config);
/* Runs one urgent tick now: the first one. */
void timer_tick(struct timer *timer);
/* Once a tick: after five seconds with little pressure (`may_rest`), without an open session and
 * without a new connection, ticks come every fifth of a second, unless the configured interval is
 * longer. */
void timer_adapt(struct timer *timer, bool may_rest, const struct load *load, unsigned services,
		 uint64_t now_us);
const struct timer_view *timer_view(const struct timer *timer);

#endif
