#include "proxy/peers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/splitmix.h"

#define PEERS_FIRST_MAX (1u << 20) /* places at first; more come when they are needed */
#define PEERS_MAX (1u << 30)

int peers_open(struct peers *peers, uint32_t most, uint64_t seed)
{
	uint32_t size = 16;

	while (size < 2 * (uint64_t)most && size < PEERS_FIRST_MAX)
		size *= 2;
	*peers = (struct peers){ .peer = calloc(size, sizeof(struct peer)),
				 .mask = size - 1,
				 .seed = seed };
	return peers->peer ? 0 : -ENOMEM;
}

void peers_close(struct peers *peers)
{
	free(peers->peer);
	peers->peer = NULL;
}

static uint64_t key_of(const uint8_t *address)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	uint64_t key;

	/* No IPv6 network is all zero, and no mapped address ends in eight zero bytes. */
	memcpy(&key, memcmp(address, mapped, 12) == 0 ? address + 8 : address, 8);
	return key ? key : 1;
}

static uint32_t home(const struct peers *p, uint64_t key)
{
	uint64_t state = key ^ p->seed;

	return (uint32_t)splitmix_next(&state) & p->mask;
}

/* The slot of the key, or the free slot for it. */
static uint32_t find(const struct peers *p, uint64_t key)
{
	uint32_t at = home(p, key);

	while (p->peer[at].key && p->peer[at].key != key)
		at = (at + 1) & p->mask;
	return at;
}

uint32_t peers_count(const struct peers *p, const uint8_t *address)
{
	return p->peer ? p->peer[find(p, key_of(address))].count : 0;
}

uint32_t peers_slow(struct peers *p, const uint8_t *address, int by)
{
	struct peer *peer = p->peer ? &p->peer[find(p, key_of(address))] : NULL;

	if (!peer || !peer->key)
		return 0;
	if (by > 0 || peer->slow)
		peer->slow += (uint32_t)by;
	return peer->slow;
}

/* Doubles the places. Without memory for that the table stays as it is. */
static void grow(struct peers *p)
{
	struct peers larger = { .mask = 2 * p->mask + 1, .seed = p->seed, .used = p->used };

	if (p->mask >= PEERS_MAX / 2)
		return;
	larger.peer = calloc((size_t)larger.mask + 1, sizeof(struct peer));
	if (!larger.peer)
		return;
	for (uint32_t i = 0; i <= p->mask; i++)
		if (p->peer[i].key)
			larger.peer[find(&larger, p->peer[i].key)] = p->peer[i];
	free(p->peer);
	*p = larger;
}

void peers_add(struct peers *p, const uint8_t *address)
{
	struct peer *peer;

	if (!p->peer)
		return;
	if (2 * (uint64_t)p->used > p->mask)
		grow(p);
	peer = &p->peer[find(p, key_of(address))];
	if (!peer->key && p->used >= p->mask)
		return; /* one slot stays free, or find() would not end */
	p->used += !peer->key;
	peer->key = key_of(address);
	peer->count++;
}

void peers_remove(struct peers *p, const uint8_t *address)
{
	uint32_t hole, at;

	if (!p->peer)
		return;
	hole = find(p, key_of(address));
	if (!p->peer[hole].key || --p->peer[hole].count)
		return;
	p->used--;
	/* Moves later entries up where possible, so that no search stops before it reaches them. */
	for (at = (hole + 1) & p->mask; p->peer[at].key; at = (at + 1) & p->mask) {
		if (((at - home(p, p->peer[at].key)) & p->mask) < ((at - hole) & p->mask))
			continue;
		p->peer[hole] = p->peer[at];
		hole = at;
	}
	p->peer[hole] = (struct peer){ 0 };
}
