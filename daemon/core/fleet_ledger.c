#include "core/fleet_ledger.h"

#include <errno.h>

/* Puts what this host knows of a source into the memory, and gets what other hosts add to it. */
static bool note(struct source_table *table, struct fleet_memory *memory, uint64_t key,
		 uint64_t now_us, uint32_t now_s)
{
	struct fleet_record merged;
	struct fleet_seen seen;

	if (!source_seen(table, key, now_us, &seen) ||
	    !fleet_note(memory, key, &seen, now_s, &merged))
		return false;
	if (merged.first == seen.first && merged.tries == seen.tries && merged.last == seen.last)
		return false;
	return source_join(table, &merged, now_us);
}

unsigned fleet_ledger_events(struct source_table *table, struct fleet_memory *memory,
			     const struct source_event *events, unsigned count, uint64_t now_us,
			     uint32_t now_s)
{
	unsigned joined = 0;

	for (unsigned i = 0; i < count; i++) {
		if (events[i].kind == SOURCE_FINISHED && events[i].turns < SOURCE_JOB_TURNS)
			continue; /* changes nothing that other hosts are told */
		joined += note(table, memory, source_fleet_key(table, events[i].address), now_us,
			       now_s);
	}
	return joined;
}

int fleet_ledger_take(struct source_table *table, struct fleet_memory *memory,
		      const struct fleet_record *record, uint64_t now_us, uint32_t now_s)
{
	struct fleet_record merged;
	int joined = 0;

	if (!fleet_makes_sense(record, now_s))
		return -EINVAL;
	/* After a restart the ledger may know more than the memory, which begins empty. */
	if (!fleet_knows(memory, record->key))
		joined = note(table, memory, record->key, now_us, now_s);
	if (fleet_take(memory, record, now_s, &merged))
		joined |= source_join(table, &merged, now_us);
	return joined;
}
