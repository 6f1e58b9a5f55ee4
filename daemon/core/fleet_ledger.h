/* Connects the ledger of a host (core/source.h) and its memory of what the fleet knows
 * (core/fleet.h): an event goes into the memory, a record of another host into the ledger. Pure. */
#ifndef PENSTOCK_CORE_FLEET_LEDGER_H
#define PENSTOCK_CORE_FLEET_LEDGER_H

#include "core/fleet.h"
#include "core/source.h"

/* Call it with the events after sources_note() took them. News is queued in the memory, to be sent
 * to the other hosts. What those know of the same sources is merged into the ledger. `now_us`:
 * CLOCK_MONOTONIC. `now_s`: CLOCK_REALTIME. Returns how many entries of the ledger changed. */
unsigned fleet_ledger_events(struct source_table *table, struct fleet_memory *memory,
			     const struct source_event *events, unsigned count, uint64_t now_us,
			     uint32_t now_s);
/* Takes a record of another host. 1: it changed an entry of the ledger; 0: it did not; -EINVAL: no
 * host can have sent it now. */
int fleet_ledger_take(struct source_table *table, struct fleet_memory *memory,
		      const struct fleet_record *record, uint64_t now_us, uint32_t now_s);

#endif
