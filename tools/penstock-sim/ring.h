/* A queue of session ids that grows. Free `id` after use. */
#ifndef PENSTOCK_SIM_RING_H
#define PENSTOCK_SIM_RING_H

#include <stdint.h>

struct ring {
	uint32_t *id;
	uint32_t first, count, room;
};

void ring_put(struct ring *ring, uint32_t id);
/* Takes the oldest id, or the newest one. The ring must not be empty. */
uint32_t ring_take(struct ring *ring);
uint32_t ring_take_last(struct ring *ring);

#endif
