/* Connections that penstock itself refused: the SMTP probe must not count them as sessions of the
 * server. They are entered in its map, and stay there until they end or for two minutes. */
#ifndef PENSTOCK_KERNEL_SMTP_REFUSALS_H
#define PENSTOCK_KERNEL_SMTP_REFUSALS_H

#include <netinet/in.h>

#include "shared.h"

#define SMTP_REFUSALS 4096

struct smtp_bpf;

/* All zeros: none. */
struct smtp_refusals {
	struct smtp_refusal {
		struct smtp_tuple tuple;
		uint64_t made_us;
		uint64_t number; /* value of its entry in the map */
		unsigned slot; /* of the port */
	} ring[SMTP_REFUSALS]; /* the oldest first */
	unsigned head, count;
	uint64_t numbers; /* the last one given */
};

/* Notes that the client of `address` and `port` is refused now, at this slot's port. */
void smtp_refusals_add(struct smtp_refusals *refusals, struct smtp_bpf *bpf, unsigned slot,
		       const struct in6_addr *address, uint16_t port, uint64_t now_us);
/* Once a tick: forgets refusals that are older than two minutes. */
void smtp_refusals_expire(struct smtp_refusals *refusals, struct smtp_bpf *bpf, uint64_t now_us);

#endif
