#include "store/recorder_ring.h"

#include <stdatomic.h>
#include <string.h>

static void copy_in(struct recorder_ring *r, uint64_t at, const void *bytes, size_t length)
{
	size_t place = at & (r->size - 1), first = r->size - place;

	if (first > length)
		first = length;
	memcpy(r->bytes + place, bytes, first);
	memcpy(r->bytes, (const uint8_t *)bytes + first, length - first);
}

static void copy_out(const struct recorder_ring *r, uint64_t at, void *ret, size_t length)
{
	size_t place = at & (r->size - 1), first = r->size - place;

	if (first > length)
		first = length;
	memcpy(ret, r->bytes + place, first);
	memcpy((uint8_t *)ret + first, r->bytes, length - first);
}

size_t ring_room(const struct recorder_ring *r)
{
	return r->size - (size_t)(atomic_load_explicit(&r->head, memory_order_relaxed) -
				  atomic_load_explicit(&r->tail, memory_order_acquire));
}

bool ring_put(struct recorder_ring *r, const void *bytes, uint32_t length)
{
	uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);

	if (ring_room(r) < sizeof(length) + (size_t)length)
		return false;
	copy_in(r, head, &length, sizeof(length));
	copy_in(r, head + sizeof(length), bytes, length);
	atomic_store_explicit(&r->head, head + sizeof(length) + length, memory_order_release);
	return true;
}

uint32_t ring_take(struct recorder_ring *r, void *ret, size_t size)
{
	uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
	uint32_t length;

	if (atomic_load_explicit(&r->head, memory_order_acquire) == tail)
		return 0;
	copy_out(r, tail, &length, sizeof(length));
	if (length > size)
		return 0; /* impossible: our own writer put it there */
	copy_out(r, tail + sizeof(length), ret, length);
	atomic_store_explicit(&r->tail, tail + sizeof(length) + length, memory_order_release);
	return length;
}
