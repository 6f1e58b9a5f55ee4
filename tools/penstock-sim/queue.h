/* The queue of events, in order of time; events of the same instant in the order in which they were
 * put. The near future is a heap, the far one (retries of millions of messages) a calendar of
 * seconds, so that putting and taking stay cheap. */
#ifndef PENSTOCK_SIM_QUEUE_H
#define PENSTOCK_SIM_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

struct queue_event {
	uint64_t at_us, order;
	uint32_t kind, id;
};

struct queue_node {
	struct queue_event event;
	uint32_t next;
};

struct queue {
	struct queue_event *heap;
	uint32_t count, room;
	uint32_t *second; /* heads of lists of nodes; 0: empty */
	struct queue_node *node; /* 1.. */
	uint32_t nodes, node_room, free_node;
	uint32_t near_s; /* seconds before this are in the heap */
	uint32_t horizon_s; /* events past this are never reached and not kept */
	uint64_t order;
};

/* `horizon_s`: the end of the run. Allocation failure ends the program: there is no simulation
 * without memory. */
void queue_init(struct queue *queue, uint32_t horizon_s);
void queue_done(struct queue *queue);
void queue_put(struct queue *queue, uint64_t at_us, uint32_t kind, uint32_t id);
/* When the next event is; UINT64_MAX: none. */
uint64_t queue_next_us(struct queue *queue);
bool queue_take(struct queue *queue, struct queue_event *ret_event);

#endif
