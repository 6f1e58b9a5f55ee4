/* When a tick comes: at fixed times, however long one takes, less often while the machine rests; earlier when the kernel says that tasks stall (a PSI trigger); and how
 * late it came, for a daemon that is itself kept waiting cannot tell others what the machine can carry. */
#ifndef PENSTOCK_PACE_H
#define PENSTOCK_PACE_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "core/counts.h"

struct event_base;
struct pace;

struct pace_view {
	uint64_t lateness[COUNTS_SLOTS],
		lateness_sum_us; /* from when a tick was due to when it ran */
	uint64_t late; /* ticks more than one interval late */
	uint64_t early; /* ticks that a PSI trigger called */
	char triggers[160]; /* which triggers there are, or why none */
	char scheduling[160]; /* how this process is scheduled */
};

/* Calls tick(context, urgent) from the loop; urgent: a trigger called it. -errno when there is no timer to be had. */
int pace_open(struct event_base *base, const struct config *config,
	      void (*tick)(void *context, bool urgent), void *context, struct pace **ret_pace);
/* The interval or the targets of the stalls may have changed. */
void pace_configure(struct pace *pace, const struct config *config);
/* Nobody is served and nothing presses: ticks come at a fifth of a second, if the configured ones are quicker; or no longer so. */
void pace_rest(struct pace *pace, bool rest);
const struct pace_view *pace_view(const struct pace *pace);
void pace_close(struct pace *pace);

#endif
