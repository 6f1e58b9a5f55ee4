#include "proxy/peers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/splitmix.h"

int peers_open(struct peers *peers, uint32_t most, uint64_t seed)
{
	uint32_t size = 16;

	while (size < 2 * (uint64_t)most && size < 1u << 30)
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

/* Its place, or the free one where it would go. */
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

void peers_add(struct peers *p, const uint8_t *address)
{
	struct peer *peer;

	if (!p->peer)
		return;
	peer = &p->peer[find(p, key_of(address))];
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
	/* What follows moves up where it may, so that no search stops short of it. */
	for (at = (hole + 1) & p->mask; p->peer[at].key; at = (at + 1) & p->mask) {
		if (((at - home(p, p->peer[at].key)) & p->mask) < ((at - hole) & p->mask))
			continue;
		p->peer[hole] = p->peer[at];
		hole = at;
	}
	p->peer[hole] = (struct peer){ 0 };
}
