/* The key of a source: in the ledger of this host, where its entry is, and between the hosts of a
 * fleet. */
#include "core/source_parts.h"

#define DOMAIN_LEDGER 3u
#define DOMAIN_PREFIX 7u
#define POOL_MARK UINT64_C(0xffff000000000000) /* no source has a multicast address */

void source_hide(struct source_table *t, const struct siphash_key *key)
{
	t->hidden = key != NULL;
	if (key)
		t->hide_key = *key;
}

/* Made from the name: the order of the sections may differ from host to host. */
static uint64_t pool_key(const struct source_pool *pool)
{
	size_t length = 0;

	while (length < sizeof(pool->name) && pool->name[length])
		length++;
	return POOL_MARK | XXH3_64bits(pool->name, length) >> 16;
}

static uint64_t shared_key(const struct source_table *t, uint64_t group)
{
	uint32_t pool = (uint32_t)group;

	if ((group & ~UINT64_C(0xffffffff)) == POOL_GROUP && pool >= 1 && pool <= SOURCE_POOLS)
		return pool_key(&t->pool[pool - 1]);
	return group;
}

static uint64_t hidden_key(const struct source_table *t, uint64_t group)
{
	uint64_t key = shared_key(t, group), hash = siphash(&t->hide_key, &key, sizeof(key));

	return hash ? hash : 1;
}

uint64_t ledger_key(const struct source_table *t, uint64_t group)
{
	return t->hidden ? hidden_key(t, group) : group;
}

uint64_t source_fleet_key(const struct source_table *t, const uint8_t *address)
{
	struct source_keys keys;
	uint64_t key;

	source_keys(t, address, &keys);
	key = t->hidden ? hidden_key(t, keys.group) : shared_key(t, keys.group);
	return key ? key : 1;
}

bool ledger_group(const struct source_table *t, uint64_t key, uint64_t *ret_group)
{
	*ret_group = key;
	if (t->hidden || (key & POOL_MARK) != POOL_MARK)
		return true;
	for (unsigned i = 0; i < t->pools; i++)
		if (pool_key(&t->pool[i]) == key)
			*ret_group = POOL_GROUP | (i + 1);
	return *ret_group != key;
}

/* The /16 of IPv4, the /32 of IPv6 (what a provider has), hashed so that an outsider does not know
 * which networks share a counter. A pool has one of its own. */
static uint32_t wide_network(const struct source_table *t, uint64_t group)
{
	bool is_v4 = group >> 48 == 0;
	const uint64_t input[2] = { is_v4 ? group >> 16 : group >> 32, DOMAIN_PREFIX };

	return (uint32_t)XXH3_64bits_withSeed(input, sizeof(input), t->seed[1]) % LEDGER_PREFIXES;
}

struct ledger_place ledger_place_key(const struct source_table *t, uint64_t key)
{
	const uint64_t input[2] = { key, DOMAIN_LEDGER };
	XXH128_hash_t h = XXH3_128bits_withSeed(input, sizeof(input), t->seed[1]);
	uint32_t tag = (uint32_t)h.high64 & (TAG_MASK >> TAG_SHIFT);

	return (struct ledger_place){ 0,
				      (tag ? tag : 1) << TAG_SHIFT,
				      { (uint32_t)h.low64 & (t->sets - 1),
					(uint32_t)(h.low64 >> 32) & (t->sets - 1) } };
}

struct ledger_place ledger_place(const struct source_table *t, uint64_t group)
{
	struct ledger_place place = ledger_place_key(t, ledger_key(t, group));

	place.prefix = wide_network(t, group);
	return place;
}
