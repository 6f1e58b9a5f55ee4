#include "core/events.h"

#include <string.h>

void events_init(struct events *events)
{
	memset(events, 0, sizeof(*events));
	events->head.magic = EVENTS_MAGIC;
	events->head.version = EVENTS_VERSION;
	events->head.capacity = EVENTS_RING;
	events->head.event_size = sizeof(struct source_event);
}

void events_put(struct events *events, const struct source_event *event)
{
	uint64_t head = events->head.head;

	events->ring[head & (EVENTS_RING - 1)] = *event;
	__atomic_store_n(&events->head.head, head + 1, __ATOMIC_RELEASE);
}

int events_span(const struct events_head *head, uint64_t tail, uint32_t most,
		struct events_span *ret)
{
	uint64_t count = head->head - tail;

	if (head->magic != EVENTS_MAGIC || head->version != EVENTS_VERSION ||
	    head->capacity != EVENTS_RING || head->event_size != sizeof(struct source_event))
		return -1;
	*ret = (struct events_span){ 0 };
	/* The writer was reset, or the head is wrong: take nothing, and go on from this head. */
	if (head->head < tail) {
		ret->lost = 0;
		return 0;
	}
	/* One less than the ring holds: the writer may be putting the next event into the oldest
	 * place. */
	if (count > EVENTS_RING - 1) {
		ret->lost = count - (EVENTS_RING - 1);
		count = EVENTS_RING - 1;
	}
	if (count > most) { /* take the newest, which say more about the present */
		ret->lost += count - most;
		count = most;
	}
	ret->count = (uint32_t)count;
	ret->from = (uint32_t)((tail + ret->lost) & (EVENTS_RING - 1));
	return 0;
}

uint32_t events_torn(const struct events_head *head, uint64_t tail, const struct events_span *span)
{
	uint64_t first = tail + span->lost, oldest;

	if (head->head < first)
		return span->count;
	oldest = head->head > EVENTS_RING - 1 ? head->head - (EVENTS_RING - 1) : 0;
	if (oldest <= first)
		return 0;
	return oldest - first < span->count ? (uint32_t)(oldest - first) : span->count;
}
