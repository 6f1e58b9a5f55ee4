/* The places for refused clients, and the queues in which those wait for their time limit. */
#include <unistd.h>

#include "front/responder_parts.h"

void responder_enqueue(struct responder *r, uint32_t index, unsigned queue, uint64_t deadline_us)
{
	struct responder_queue *q = &r->queue[queue];
	struct responder_client *c = &r->client[index];

	c->queue = (uint8_t)queue;
	c->deadline_us = deadline_us;
	c->next = RESPONDER_NONE;
	c->previous = q->last;
	if (q->last == RESPONDER_NONE)
		q->first = index;
	else
		r->client[q->last].next = index;
	q->last = index;
	q->count++;
}

void responder_dequeue(struct responder *r, uint32_t index)
{
	struct responder_client *c = &r->client[index];
	struct responder_queue *q = &r->queue[c->queue];

	if (c->previous == RESPONDER_NONE)
		q->first = c->next;
	else
		r->client[c->previous].next = c->next;
	if (c->next == RESPONDER_NONE)
		q->last = c->previous;
	else
		r->client[c->next].previous = c->previous;
	q->count--;
}

uint32_t responder_reserve(struct responder *r)
{
	uint32_t index = r->free;

	if (index != RESPONDER_NONE)
		r->free = r->client[index].next;
	else if (r->unused < r->most)
		index = r->unused++;
	return index;
}

void responder_put_back(struct responder *r, uint32_t index)
{
	r->client[index].next = r->free;
	r->free = index;
}

void responder_release(struct responder *r, uint32_t index)
{
	responder_dequeue(r, index);
	close(r->client[index].fd);
	responder_put_back(r, index);
}
