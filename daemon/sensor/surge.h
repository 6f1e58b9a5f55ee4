/* Whether the load has just jumped. Then the readings that steer the window are of the time before,
 * and the law would take the machine for idle while a crowd comes in: on a machine that rests they
 * are read only once or twice a second. So for a second they are read at every tick.
 *
 * A jump is twice as many new connections in a tick as were usual lately, or the first client that
 * waits for a place. Pure. */
#ifndef PENSTOCK_SENSOR_SURGE_H
#define PENSTOCK_SENSOR_SURGE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/load.h"
#include "core/smooth.h"

#define SURGE_TIMES 2
#define SURGE_MIN 8 /* connections: fewer are chance, and no crowd */
#define SURGE_USUAL_US 2000000.0 /* over this time the usual number is smoothed */
#define SURGE_LASTS_US 1000000u

struct surge {
	unsigned ticks; /* seen: 0, 1, or 2 and more */
	uint64_t offered; /* up to the last tick */
	double usual; /* new connections a tick */
	bool held; /* a client waited for a place at the last tick */
	uint64_t stepped_us, until_us;
};

/* Once a tick, with the load of this tick: whether the load jumped within the last second. */
static inline bool surge_step(struct surge *s, const struct load *load, unsigned services,
			      uint64_t now_us)
{
	uint64_t offered = 0;
	bool held = false, jumps;
	double fresh;

	for (unsigned i = 0; i < services; i++) {
		offered += load->service[i].offered;
		held |= load->service[i].held > 0;
	}
	fresh = s->ticks ? counter_delta(offered, s->offered) : 0;
	if (s->ticks < 2)
		s->usual = fresh;
	jumps = (fresh >= SURGE_MIN && fresh >= SURGE_TIMES * (s->usual + 1)) || (held && !s->held);
	if (jumps)
		s->until_us = now_us + SURGE_LASTS_US;
	smooth_step(&s->usual, fresh, (double)(now_us - s->stepped_us), SURGE_USUAL_US);
	s->ticks += s->ticks < 2;
	s->offered = offered;
	s->held = held;
	s->stepped_us = now_us;
	return now_us < s->until_us;
}

#endif
