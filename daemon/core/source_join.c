/* The ledger of one host in a fleet: what this host tells the others of a source, and what it takes
 * from them. The rules by which records are merged are in core/fleet.h; here a merged record
 * becomes an entry. */
#include <string.h>

#include "core/fleet.h"
#include "core/source_parts.h"

/* Records of all other hosts count as one wide network, so that a host that lies cannot displace
 * the whole ledger. */
#define FLEET_PREFIX (LEDGER_PREFIXES - 1)

/* Finds the place of an entry by its key. False: there is no pool of that name here. */
static bool place_of(const struct source_table *t, uint64_t key, struct ledger_place *ret)
{
	uint64_t group;

	if (!ledger_group(t, key, &group))
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

/* A time in the future of this host's clock counts as now. */
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
