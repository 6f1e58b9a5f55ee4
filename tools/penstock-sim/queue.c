#include "penstock-sim/queue.h"

#include <stdlib.h>
#include <string.h>

#include "penstock-sim/grow.h"

#define SECOND_US UINT64_C(1000000)

void queue_init(struct queue *q, uint32_t horizon_s)
{
	memset(q, 0, sizeof(*q));
	q->horizon_s = horizon_s;
	q->second = grow_zeroed(horizon_s + 1, sizeof(*q->second));
	q->nodes = 1;
}

void queue_done(struct queue *q)
{
	free(q->heap);
	free(q->second);
	free(q->node);
}

static bool earlier(const struct queue_event *a, const struct queue_event *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static void heap_put(struct queue *q, const struct queue_event *event)
{
	uint32_t at = q->count++;

	q->heap = grow(q->heap, &q->room, q->count, sizeof(*q->heap));
	while (at > 0 && earlier(event, &q->heap[(at - 1) / 4])) {
		q->heap[at] = q->heap[(at - 1) / 4];
		at = (at - 1) / 4;
	}
	q->heap[at] = *event;
}

static void heap_drop_first(struct queue *q)
{
	struct queue_event last = q->heap[--q->count];
	uint32_t at = 0;

	for (;;) {
		uint32_t child = 4 * at + 1, best = child;

		if (child >= q->count)
			break;
		for (uint32_t i = child + 1; i < child + 4 && i < q->count; i++)
			if (earlier(&q->heap[i], &q->heap[best]))
				best = i;
		if (!earlier(&q->heap[best], &last))
			break;
		q->heap[at] = q->heap[best];
		at = best;
	}
	if (q->count)
		q->heap[at] = last;
}

void queue_put(struct queue *q, uint64_t at_us, uint32_t kind, uint32_t id)
{
	struct queue_event event = { .at_us = at_us, .order = q->order++, .kind = kind, .id = id };
	uint64_t second = at_us / SECOND_US;
	uint32_t node;

	if (second < q->near_s) {
		heap_put(q, &event);
		return;
	}
	if (second > q->horizon_s)
		return;
	node = q->free_node;
	if (node) {
		q->free_node = q->node[node].next;
	} else {
		node = q->nodes++;
		q->node = grow(q->node, &q->node_room, q->nodes, sizeof(*q->node));
	}
	q->node[node].event = event;
	q->node[node].next = q->second[second];
	q->second[second] = node;
}

static void load_second(struct queue *q)
{
	uint32_t node = q->second[q->near_s++];

	while (node) {
		uint32_t next = q->node[node].next;

		heap_put(q, &q->node[node].event);
		q->node[node].next = q->free_node;
		q->free_node = node;
		node = next;
	}
}

uint64_t queue_next_us(struct queue *q)
{
	while (q->near_s <= q->horizon_s &&
	       (q->count == 0 || q->heap[0].at_us >= q->near_s * SECOND_US))
		load_second(q);
	return q->count ? q->heap[0].at_us : UINT64_MAX;
}

bool queue_take(struct queue *q, struct queue_event *ret_event)
{
	if (queue_next_us(q) == UINT64_MAX)
		return false;
	*ret_event = q->heap[0];
	heap_drop_first(q);
	return true;
}
