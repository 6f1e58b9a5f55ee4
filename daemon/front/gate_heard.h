/* The clients that the gate has seen lately. Ranks change with time, so some of them are sent to
 * the kernel in each tick; the rank of a new client is sent at once. */
#ifndef PENSTOCK_FRONT_GATE_HEARD_H
#define PENSTOCK_FRONT_GATE_HEARD_H

#include <netinet/in.h>

#include "front/front.h"
#include "kernel/gate.h"

#define GATE_HEARD_BITS 14
#define GATE_HEARD (1u << GATE_HEARD_BITS)
#define GATE_FRESH 512u

struct gate_heard {
	struct in6_addr slot[GATE_HEARD]; /* one for all groups of one hash */
	unsigned next; /* where to go on with sending ranks to the kernel */
	struct in6_addr fresh[GATE_FRESH]; /* new clients since the last tick */
	unsigned fresh_count;
	bool told_ranks; /* it was logged that the kernel takes no more ranks */
};

void gate_heard_add(struct gate_heard *h, const struct in6_addr *client);
/* Sends ranks to the kernel. Does nothing if sources have no ranks. */
void gate_heard_push(struct gate_heard *h, const struct front_env *env, struct gate *gate,
		     uint64_t now_us);

#endif
