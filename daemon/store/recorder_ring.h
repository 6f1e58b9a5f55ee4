/* Frames on their way from the tick to the thread that writes them: one writer, one reader, no
 * lock, no wait. */
#ifndef PENSTOCK_STORE_RECORDER_RING_H
#define PENSTOCK_STORE_RECORDER_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct recorder_ring {
	uint8_t *bytes;
	size_t size; /* a power of two */
	_Atomic uint64_t head, tail; /* bytes ever put, ever taken */
};

/* Writer only. Whether there was room. */
bool ring_put(struct recorder_ring *ring, const void *bytes, uint32_t length);
/* Writer only. */
size_t ring_room(const struct recorder_ring *ring);
/* Reader only: the next frame, copied out. Its length; 0: none. `size` is at least that of the
 * longest that is put. */
uint32_t ring_take(struct recorder_ring *ring, void *ret, size_t size);

#endif
