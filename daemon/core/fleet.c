#include "core/fleet.h"

#include <string.h>

#define ALIVE_S 7200u /* a source that does not retry for so long has given up, as in the ledger */

void fleet_merge(struct fleet_record *into, const struct fleet_record *from)
{
	uint8_t lasting = (into->classes | from->classes) & (FLEET_REGULAR | FLEET_PROVEN);

	if (from->epoch > into->epoch) {
		*into = *from;
	} else if (from->epoch == into->epoch) {
		if (!into->first || (from->first && from->first < into->first))
			into->first = from->first;
		if (from->last > into->last)
			into->last = from->last;
		if (from->tries > into->tries)
			into->tries = from->tries;
		into->classes |= from->classes;
	}
	into->classes |= lasting;
}

bool fleet_makes_sense(const struct fleet_record *r, uint32_t now_s)
{
	uint32_t newest = r->last > r->epoch ? r->last : r->epoch;
	bool waits = r->first != 0;

	if (!r->key || r->classes & ~FLEET_CLASSES || waits != (r->last != 0) ||
	    waits != (r->tries != 0) || r->first > r->last)
		return false;
	if (r->classes & FLEET_LATE && !waits)
		return false;
	/* A wait that begins before is of a host whose clock was wrong then. */
	if (waits && now_s > r->first && now_s - r->first > FLEET_OLD_S)
		return false;
	return newest <= now_s + FLEET_AHEAD_S &&
	       (newest == 0 || now_s < newest || now_s - newest <= FLEET_OLD_S);
}

/* ---- the memory ----------------------------------------------------------------------------- */

static struct fleet_slot *set_of(const struct fleet_memory *m, uint64_t key)
{
	uint64_t x = key * UINT64_C(0x9e3779b97f4a7c15);

	return &m->slots[(size_t)((x ^ x >> 32) & (m->sets - 1)) * FLEET_SET_SLOTS];
}

static struct fleet_slot *find(const struct fleet_memory *m, uint64_t key)
{
	struct fleet_slot *set = set_of(m, key);

	for (unsigned i = 0; i < FLEET_SET_SLOTS; i++)
		if (set[i].record.key == key)
			return &set[i];
	return NULL;
}

bool fleet_knows(const struct fleet_memory *m, uint64_t key)
{
	return find(m, key) != NULL;
}

static uint32_t newest(const struct fleet_slot *slot)
{
	return slot->record.last > slot->record.epoch ? slot->record.last : slot->record.epoch;
}

static struct fleet_slot *make(struct fleet_memory *m, uint64_t key)
{
	struct fleet_slot *set = set_of(m, key), *to = NULL;

	for (unsigned i = 0; i < FLEET_SET_SLOTS && !to; i++)
		if (!set[i].record.key)
			to = &set[i];
	if (to) {
		m->tracked++;
	} else {
		to = set;
		for (unsigned i = 1; i < FLEET_SET_SLOTS; i++)
			if (newest(&set[i]) < newest(to))
				to = &set[i];
		m->forgotten++;
	}
	memset(to, 0, sizeof(*to));
	to->record.key = key;
	return to;
}

static void mark(struct fleet_memory *m, struct fleet_slot *slot)
{
	if (slot->changed)
		return;
	if (m->queued == m->queue_size) {
		m->left_out++;
		return;
	}
	slot->changed = 1;
	m->queue[(m->queue_from + m->queued++) % m->queue_size] = slot->record.key;
}

void fleet_forget(struct fleet_memory *m)
{
	memset(m->slots, 0, (size_t)m->sets * FLEET_SET_SLOTS * sizeof(*m->slots));
	m->queue_from = m->queued = 0;
	m->tracked = 0;
}

unsigned fleet_changes(struct fleet_memory *m, struct fleet_record *ret, unsigned most)
{
	unsigned count = 0;

	while (count < most && m->queued) {
		struct fleet_slot *slot = find(m, m->queue[m->queue_from]);

		m->queue_from = (m->queue_from + 1) % m->queue_size;
		m->queued--;
		if (!slot || !slot->changed)
			continue;
		slot->changed = 0;
		ret[count++] = slot->record;
	}
	return count;
}

/* The record of a wait as this host sees it, in the epoch that it belongs to. */
static struct fleet_record waiting_record(const struct fleet_record *was,
					  const struct fleet_seen *seen, uint32_t now_s)
{
	struct fleet_record r = { .key = was->key,
				  .epoch = was->epoch,
				  .first = seen->first,
				  .last = seen->last,
				  .tries = seen->tries ? seen->tries : 1,
				  .classes = seen->classes };

	/* The wait before ended when the source gave up: this one begins after its last attempt. */
	if (was->first && seen->first > was->last && now_s > was->last &&
	    now_s - was->last > ALIVE_S)
		r.epoch = was->last;
	return r;
}

bool fleet_note(struct fleet_memory *m, uint64_t key, const struct fleet_seen *seen, uint32_t now_s,
		struct fleet_record *ret)
{
	struct fleet_slot *slot = find(m, key);
	struct fleet_record before, r;

	if (!slot && !seen->deferred && !(seen->classes & (FLEET_REGULAR | FLEET_PROVEN)))
		return false;
	if (!slot)
		slot = make(m, key);
	before = slot->record;
	if (seen->deferred) {
		r = waiting_record(&before, seen, now_s);
	} else {
		r = (struct fleet_record){ .key = key,
					   .epoch = before.epoch,
					   .classes =
						   seen->classes & (FLEET_REGULAR | FLEET_PROVEN) };
		if (before.first) /* admitted: the wait is over */
			r.epoch = now_s > before.epoch ? now_s : before.epoch + 1;
	}
	slot->own = seen->deferred;
	fleet_merge(&slot->record, &r);
	*ret = slot->record;
	/* A record without times and classes is not worth sending. */
	if (memcmp(&before, &slot->record, sizeof(before)) == 0)
		return false;
	mark(m, slot);
	return true;
}

/* The wait that this host saw, continued in the epoch of another host. False: it ended before that
 * epoch. */
static bool goes_on(const struct fleet_slot *slot, uint32_t epoch, struct fleet_record *ret)
{
	if (!slot->own || !slot->record.first || epoch <= slot->record.epoch ||
	    slot->record.last <= epoch)
		return false;
	*ret = slot->record;
	ret->epoch = epoch;
	if (ret->first <= epoch) {
		ret->first = ret->last;
		ret->tries = 1;
	}
	return true;
}

bool fleet_take(struct fleet_memory *m, const struct fleet_record *record, uint32_t now_s,
		struct fleet_record *ret)
{
	struct fleet_slot *slot = find(m, record->key);
	struct fleet_record before, mine;
	bool again;

	if (!fleet_makes_sense(record, now_s))
		return false;
	if (!slot)
		slot = make(m, record->key);
	before = slot->record;
	again = goes_on(slot, record->epoch, &mine);
	fleet_merge(&slot->record, record);
	if (again)
		fleet_merge(&slot->record, &mine);
	else if (record->epoch > before.epoch)
		slot->own = 0;
	*ret = slot->record;
	/* The other hosts have just been told the same. */
	if (memcmp(&slot->record, record, sizeof(*record)) == 0)
		slot->changed = 0;
	if (memcmp(&before, &slot->record, sizeof(before)) == 0)
		return false;
	if (again)
		mark(m, slot);
	return true;
}
