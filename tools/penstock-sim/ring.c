#include "penstock-sim/ring.h"

#include <stdlib.h>

#include "penstock-sim/grow.h"

void ring_put(struct ring *r, uint32_t id)
{
	if (r->count == r->room) {
		struct ring wider = { .room = r->room ? 2 * r->room : 256 };

		wider.id = grow_zeroed(wider.room, sizeof(*wider.id));
		for (uint32_t i = 0; i < r->count; i++)
			wider.id[i] = r->id[(r->first + i) % r->room];
		wider.count = r->count;
		free(r->id);
		*r = wider;
	}
	r->id[(r->first + r->count++) % r->room] = id;
}

uint32_t ring_take(struct ring *r)
{
	uint32_t id = r->id[r->first];

	r->first = (r->first + 1) % r->room;
	r->count--;
	return id;
}

uint32_t ring_take_last(struct ring *r)
{
	return r->id[(r->first + --r->count) % r->room];
}
