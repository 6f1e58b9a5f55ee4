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
	_Atomic uint64_t head, tail; /* bytes ever put; bytes ever taken */
};

/* Puts a frame. For the writer only. False: there was no room. */
bool ring_put(struct recorder_ring *ring, const void *bytes, uint32_t length);
/* Free bytes. For the writer only. */
size_t ring_room(const struct recorder_ring *ring);
/* Copies the next frame. For the reader only. `size`: at least that of the longest frame. Returns
 * its length; 0: there is none. */
uint32_t ring_take(struct recorder_ring *ring, void *ret, size_t size);

#endif
