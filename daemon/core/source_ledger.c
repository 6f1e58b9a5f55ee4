/* The ledger: which sources wait, since when, and which came back properly. A hash table with two
 * choices of a set; a set has four entries and is one cache line. */
#include <string.h>

#include "core/source_parts.h"

static struct source_entry *entries(const struct source_table *t)
{
	return (struct source_entry *)((char *)(uintptr_t)t + t->ledger_at);
}

void ledger_prefetch(const struct source_table *t, const struct ledger_place *place)
{
	__builtin_prefetch(&entries(t)[(size_t)place->set[0] * SET_ENTRIES]);
	__builtin_prefetch(&entries(t)[(size_t)place->set[1] * SET_ENTRIES]);
}

/* Reads and writes an entry in whole halves: a reader beside the writer sees no torn number. */
static struct source_entry load_entry(const struct source_entry *e)
{
	uint64_t half[2];
	struct source_entry copy;

	half[0] = __atomic_load_n((const uint64_t *)e, __ATOMIC_RELAXED);
	half[1] = __atomic_load_n((const uint64_t *)e + 1, __ATOMIC_RELAXED);
	memcpy(&copy, half, sizeof(copy));
	return copy;
}

static void store_entry(struct source_table *t, struct source_entry *e,
			const struct source_entry *value)
{
	uint8_t *marks = (uint8_t *)t + t->marks_at;
	size_t block = (size_t)((char *)e - (char *)entries(t)) / SOURCE_BLOCK;
	uint64_t half[2];

	memcpy(half, value, sizeof(half));
	__atomic_store_n((uint64_t *)e + 1, half[1], __ATOMIC_RELAXED);
	__atomic_store_n((uint64_t *)e, half[0], __ATOMIC_RELAXED);
	__atomic_store_n(&marks[block], 1, __ATOMIC_RELEASE);
}

static struct source_entry *find(const struct source_table *t, const struct ledger_place *place)
{
	for (int s = 0; s < 2; s++) {
		struct source_entry *set = &entries(t)[(size_t)place->set[s] * SET_ENTRIES];

		for (int i = 0; i < SET_ENTRIES; i++)
			if ((__atomic_load_n(&set[i].tag, __ATOMIC_RELAXED) & TAG_MASK) ==
			    place->tag)
				return &set[i];
	}
	return NULL;
}

bool ledger_get(const struct source_table *t, const struct ledger_place *place,
		struct source_entry *ret)
{
	const struct source_entry *e = find(t, place);

	if (!e)
		return false;
	*ret = load_entry(e);
	return (ret->tag & TAG_MASK) == place->tag;
}

static unsigned free_entries(const struct source_entry *set)
{
	unsigned count = 0;

	for (int i = 0; i < SET_ENTRIES; i++)
		count += set[i].tag == 0;
	return count;
}

/* How much would be lost with an entry: a flood of new sources that connect once must not displace
 * sources that came back or are known. */
enum worth {
	WORTH_LITTLE,
	WORTH_WAITS,
	WORTH_KNOWN, /* from here on not displaced by a network beyond its share */
	WORTH_WAITS_KNOWN, /* displaced by its like alone */
};

static enum worth worth(const struct source_entry *e)
{
	if (e->tag & ENTRY_DEFERRED)
		return e->tries >= 2 || (e->tag & ENTRY_KNOWN) ? WORTH_WAITS_KNOWN : WORTH_WAITS;
	return e->tag & ENTRY_KNOWN ? WORTH_KNOWN : WORTH_LITTLE;
}

/* The place for a new entry: a free one in the emptier set, otherwise the least valuable entry, and
 * of these the one not seen for longest. NULL: only a more valuable entry could make room, or the
 * network has used up its share. */
static struct source_entry *room(struct source_table *t, const struct ledger_place *place,
				 enum worth own_worth)
{
	struct source_entry *set[2] = { &entries(t)[(size_t)place->set[0] * SET_ENTRIES],
					&entries(t)[(size_t)place->set[1] * SET_ENTRIES] };
	unsigned left[2] = { free_entries(set[0]), free_entries(set[1]) };
	struct source_entry *from = set[left[1] > left[0]], *victim = NULL;

	for (int i = 0; i < SET_ENTRIES; i++)
		if (from[i].tag == 0)
			return &from[i];
	for (int s = 0; s < 2; s++) {
		for (int i = 0; i < SET_ENTRIES; i++) {
			struct source_entry *e = &set[s][i];

			if (!victim || worth(e) < worth(victim) ||
			    (worth(e) == worth(victim) && e->last < victim->last))
				victim = e;
		}
	}
	if (worth(victim) > own_worth && worth(victim) > WORTH_KNOWN)
		return NULL;
	if (worth(victim) >= WORTH_KNOWN &&
	    t->inserted[place->prefix] > t->sets * SET_ENTRIES / (uint32_t)LEDGER_PARTS)
		return NULL;
	t->evicted++;
	return victim;
}

static void count_entry(struct source_table *t, const struct source_entry *was,
			const struct source_entry *is)
{
	t->tracked += (is->tag != 0) - (uint64_t)(was->tag != 0);
	t->deferred += !!(is->tag & ENTRY_DEFERRED) - (uint64_t) !!(was->tag & ENTRY_DEFERRED);
}

void ledger_put(struct source_table *t, const struct ledger_place *place,
		const struct source_entry *entry)
{
	struct source_entry *e = find(t, place), value = *entry;

	if (!e) {
		e = room(t, place, worth(entry));
		if (!e)
			return;
		t->inserted[place->prefix]++;
	}
	value.tag = place->tag | (entry->tag & TAG_FLAGS);
	count_entry(t, e, &value);
	store_entry(t, e, &value);
}

/* ---- upkeep --------------------------------------------------------------------------------- */

bool entry_waits(const struct source_entry *e, uint32_t now_s)
{
	uint32_t quiet = now_s > e->last ? now_s - e->last : 0;
	uint32_t alive = (uint32_t)ALIVE_GAPS * GAP_UNIT_S * e->gap, least = (uint32_t)ALIVE_S;

	return (e->tag & ENTRY_DEFERRED) && quiet <= (alive > least ? alive : least);
}

static void sweep_entry(struct source_table *t, struct source_entry *e, uint32_t now_s)
{
	struct source_entry value = *e;
	uint32_t quiet = now_s > e->last ? now_s - e->last : 0;
	bool regular = e->tag & (ENTRY_KNOWN | ENTRY_RETRIED);

	if (entry_waits(e, now_s)) {
		uint64_t age = now_s > e->first ? now_s - e->first : 0;

		if (age > t->sweep_oldest)
			t->sweep_oldest = age;
		return;
	}
	if (e->tag & ENTRY_DEFERRED) { /* it gave up: its next attempt is a new message */
		patience_learn(t, e);
		value.tag &= ~(uint32_t)(ENTRY_DEFERRED | ENTRY_LATE);
		value.tries = 0;
	}
	if (quiet > (uint32_t)(regular ? FORGET_REGULAR_S : FORGET_S))
		memset(&value, 0, sizeof(value));
	if (memcmp(&value, e, sizeof(value)) != 0) {
		count_entry(t, e, &value);
		store_entry(t, e, &value);
	}
}

static void forget_insertions(struct source_table *t, uint32_t now_s)
{
	if (now_s < t->halved_s + INSERTED_S && now_s >= t->halved_s)
		return;
	for (unsigned i = 0; i < LEDGER_PREFIXES; i++)
		t->inserted[i] /= 2;
	t->halved_s = now_s;
}

void ledger_sweep(struct source_table *t, uint32_t now_s)
{
	uint32_t sets = t->sets / SWEEP_TICKS + 1;

	forget_insertions(t, now_s);

	if (sets > SWEEP_SETS)
		sets = SWEEP_SETS;
	for (uint32_t n = 0; n < sets; n++) {
		struct source_entry *set = &entries(t)[(size_t)t->sweep_set * SET_ENTRIES];

		for (int i = 0; i < SET_ENTRIES; i++)
			if (set[i].tag != 0)
				sweep_entry(t, &set[i], now_s);
		if (++t->sweep_set >= t->sets) {
			t->sweep_set = 0;
			t->swept_oldest = t->sweep_oldest;
			t->sweep_oldest = 0;
		}
	}
}

static uint32_t shifted(uint32_t at_s, int64_t by_s)
{
	int64_t s = (int64_t)at_s + by_s;

	return s < 1 ? 1 : s > UINT32_MAX ? UINT32_MAX : (uint32_t)s;
}

void ledger_shift(struct source_table *t, int64_t by_s)
{
	struct source_entry *all = entries(t);

	for (size_t i = 0; i < (size_t)t->sets * SET_ENTRIES; i++) {
		struct source_entry value = all[i];

		if (value.tag == 0)
			continue;
		value.first = shifted(value.first, by_s);
		value.last = shifted(value.last, by_s);
		store_entry(t, &all[i], &value);
	}
	for (unsigned i = 0; i < SOURCE_WAITERS; i++) {
		struct source_waiter *w = &t->waiter[i];

		if (!w->last)
			continue;
		w->since = shifted(w->since, by_s);
		w->last = shifted(w->last, by_s);
	}
}

/* ---- on disk -------------------------------------------------------------------------------- */

unsigned source_blocks(const struct source_table *t)
{
	return t->blocks;
}

const void *source_block(const struct source_table *t, unsigned block)
{
	return (const char *)entries(t) + (size_t)block * SOURCE_BLOCK;
}

bool source_block_take(struct source_table *t, unsigned block)
{
	uint8_t *marks = (uint8_t *)t + t->marks_at;

	return __atomic_load_n(&marks[block], __ATOMIC_RELAXED) &&
	       __atomic_exchange_n(&marks[block], 0, __ATOMIC_ACQ_REL);
}

void source_block_mark(struct source_table *t, unsigned block)
{
	__atomic_store_n((uint8_t *)t + t->marks_at + block, 1, __ATOMIC_RELEASE);
}

/* Whether this program can have written the entry before `now_s`; clocks may differ by an hour. */
static bool makes_sense(const struct source_entry *e, uint32_t now_s)
{
	return e->tag > TAG_FLAGS && !(e->tag & TAG_UNUSED) && e->first && e->first <= e->last &&
	       (e->last > now_s ? e->last - now_s <= CLOCKS_DIFFER_S
				: now_s - e->last <= (uint32_t)FORGET_REGULAR_S + CLOCKS_DIFFER_S);
}

unsigned source_block_load(struct source_table *t, unsigned block, const void *bytes,
			   uint64_t realtime_us)
{
	struct source_entry *to = &entries(t)[(size_t)block * (SOURCE_BLOCK / sizeof(*to))];
	uint32_t now_s = (uint32_t)(realtime_us / (uint64_t)US_IN_S);
	unsigned taken = 0;

	if (block >= t->blocks)
		return 0;
	for (unsigned i = 0; i < SOURCE_BLOCK / sizeof(*to); i++) {
		struct source_entry e;

		memcpy(&e, (const char *)bytes + i * sizeof(e), sizeof(e));
		if (!makes_sense(&e, now_s))
			continue;
		if (e.last > now_s)
			e.last = now_s;
		if (e.first > now_s)
			e.first = now_s;
		count_entry(t, &to[i], &e);
		to[i] = e;
		taken++;
	}
	return taken;
}
