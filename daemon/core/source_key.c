/* The key of a source: in the ledger of this host, and between the hosts of a fleet. */
#include "core/source_parts.h"

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
