/* The ledger of one host in a fleet: what it says to others of a source, and what it takes from
 * them (core/fleet.h has the rules by which records are merged; here a merged record only becomes
 * an entry). */
#include <string.h>

#include "core/fleet.h"
#include "core/source_parts.h"

#define POOL_MARK UINT64_C(0xffff000000000000) /* no source has a multicast address */
#define POOL_GROUP UINT64_C(0x0000fffe00000000) /* as source_keys() makes them */
/* All that other hosts say counts as one wide network: an engine that lies cannot wash out the
 * ledger. */
#define FLEET_PREFIX (LEDGER_PREFIXES - 1)

void source_hide(struct source_table *t, const struct siphash_key *key)
{
	t->hidden = key != NULL;
	if (key)
		t->hide_key = *key;
}

/* By its name: the order of the sections may differ from host to host. */
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

/* Finds the place of an entry by its key. False: there is no pool of that name here. */
static bool place_of(const struct source_table *t, uint64_t key, struct ledger_place *ret)
{
	uint64_t group = key;
	bool is_pool = (key & POOL_MARK) == POOL_MARK;

	for (unsigned i = 0; !t->hidden && is_pool && i < t->pools; i++)
		if (pool_key(&t->pool[i]) == key)
			group = POOL_GROUP | (i + 1);
	if (!t->hidden && is_pool && group == key)
		return false;
	*ret = ledger_place_key(t, group);
	ret->prefix = FLEET_PREFIX;
	return true;
}

bool source_seen(const struct source_table *t, uint64_t key, uint64_t now_us,
		 struct fleet_seen *ret)
{
	struct ledger_place place;
	struct source_entry e;

	if (!place_of(t, key, &place) || !ledger_get(t, &place, &e))
		return false;
	*ret = (struct fleet_seen){ .deferred = entry_waits(&e, source_seconds(t, now_us)),
				    .classes = (e.tag & ENTRY_KNOWN ? FLEET_REGULAR : 0) |
					       (e.tag & ENTRY_RETRIED ? FLEET_PROVEN : 0) };
	if (!ret->deferred)
		return true;
	ret->first = e.first;
	ret->last = e.last;
	ret->tries = e.tries ? e.tries : 1;
	ret->classes |= e.tag & ENTRY_LATE ? FLEET_LATE : 0;
	return true;
}

static void begin_wait(struct source_entry *e, const struct fleet_record *r)
{
	e->first = r->first;
	e->last = r->last;
	e->tries = r->tries;
	e->tag |= ENTRY_DEFERRED;
	if (r->classes & FLEET_LATE)
		e->tag |= ENTRY_LATE;
	else
		e->tag &= ~(uint32_t)ENTRY_LATE;
}

/* A time in the future, by the clock of this host, is taken as now. */
static struct fleet_record until_now(const struct fleet_record *record, uint32_t now_s)
{
	struct fleet_record r = *record;

	if (r.epoch > now_s)
		r.epoch = now_s;
	if (r.last > now_s)
		r.last = now_s;
	if (r.first > now_s)
		r.first = now_s;
	return r;
}

bool source_join(struct source_table *t, const struct fleet_record *record, uint64_t now_us)
{
	uint32_t now_s = source_seconds(t, now_us);
	struct fleet_record r = until_now(record, now_s);
	struct source_entry e = { 0 }, before;
	struct ledger_place place;
	bool known;

	if (!place_of(t, r.key, &place))
		return false;
	known = ledger_get(t, &place, &e);
	before = e;
	if (!known && !r.first && !(r.classes & (FLEET_REGULAR | FLEET_PROVEN)))
		return false;
	if (!known)
		e.first = e.last = r.epoch ? r.epoch : now_s;
	if (r.first) {
		begin_wait(&e, &r);
	} else if (e.tag & ENTRY_DEFERRED && e.last <= r.epoch) {
		e.tag &= ~(uint32_t)(ENTRY_DEFERRED | ENTRY_LATE);
		e.first = e.last = r.epoch;
		e.tries = 0;
	}
	if (r.classes & FLEET_REGULAR)
		e.tag |= ENTRY_KNOWN;
	if (r.classes & FLEET_PROVEN)
		e.tag |= ENTRY_RETRIED;
	if (known && memcmp(&e, &before, sizeof(e)) == 0)
		return false;
	ledger_put(t, &place, &e);
	return true;
}
