/* How many sessions each address has in flight through this proxy: an open hash table. It grows,
 * because a reload may raise front.proxy.connections_max. Pure but for its memory. */
#ifndef PENSTOCK_PROXY_PEERS_H
#define PENSTOCK_PROXY_PEERS_H

#include <stdint.h>

struct peer {
	uint64_t key; /* 0: free */
	uint32_t count;
	uint32_t slow; /* of these */
};

struct peers {
	struct peer *peer; /* NULL: nothing is counted */
	uint32_t mask, used; /* used: slots taken, at most `mask`, so that a search ends */
	uint64_t seed;
};

/* Begins with room for `most` addresses. 0 or -ENOMEM: then every count is 0. */
int peers_open(struct peers *peers, uint32_t most, uint64_t seed);
void peers_close(struct peers *peers);
/* The sessions of an address (IPv6: of its /64). 16 bytes, IPv4 as mapped. */
uint32_t peers_count(const struct peers *peers, const uint8_t *address);
/* Adds `by` (may be negative) to the number of its slow sessions, and returns the sum. */
uint32_t peers_slow(struct peers *peers, const uint8_t *address, int by);
void peers_add(struct peers *peers, const uint8_t *address);
void peers_remove(struct peers *peers, const uint8_t *address);

#endif
