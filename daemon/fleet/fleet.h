/* This host in a fleet: who waits for how long is known to all hosts, and each says how it is.
 * Redis or Valkey carries it (fleet/exchange.h); how records are merged is pure (core/fleet.h), and
 * so is what becomes of the ledger (core/source.h, source_join()). A verdict never waits for it:
 * without the store, or with one that lies, each host decides as if it were alone.
 *
 * event -> ledger -> fleet_note() -> change -> store -> other hosts -> fleet_take() ->
 * source_join() -> their ledgers
 */
#ifndef PENSTOCK_FLEET_FLEET_H
#define PENSTOCK_FLEET_FLEET_H

#include "config/config.h"
#include "core/engine.h"
#include "core/fleet.h"
#include "core/load.h"
#include "core/source.h"
#include "fleet/hosts.h"

struct fleet;

struct fleet_view {
	bool enabled; /* fleet.servers is set */
	bool connected, caught_up;
	bool elsewhere; /* another host has room */
	bool next_mx; /* and so nobody waits long here */
	char server[128];
	char why[256]; /* not connected: why, a clause */
	uint64_t since_us; /* CLOCK_MONOTONIC: connected or not since then */
	uint64_t restarts; /* of the process that talks to the store */
	uint64_t failures, messages_sent, messages_read, messages_bad, bytes_read;
	uint64_t records_sent, records_read, joined; /* joined: changed something in the ledger */
	uint64_t refused; /* records without sense, or of a clock that is ahead */
	uint64_t tracked, forgotten, left_out,
		waiting; /* of the memory; waiting: changes to be told */
	uint64_t round_us;
	unsigned hosts;
	struct fleet_line host[FLEET_HOSTS]; /* by name */
};

/* 0 or -ENOMEM. What is wrong with the store or its secrets is logged and no error. `table` may be
 * NULL; it and `config` stay the caller's. */
int fleet_open(const struct config *config, struct source_table *table, struct fleet **ret_fleet);
/* Another configuration: a changed [fleet] begins another connection. */
void fleet_configure(struct fleet *fleet, const struct config *config);
/* What became of clients, after the table took it: struct sources calls it. */
void fleet_events(void *fleet, const struct source_event *events, unsigned count, uint64_t now_us);
/* Once a tick, after sources_plan(), from which the table knows the time. */
void fleet_tick(struct fleet *fleet, const struct engine_view *view, uint64_t now_us,
		uint64_t realtime_us);
/* With fleet.next_mx, and while another host has room, the plan lets nobody wait for longer than a
 * sender takes to get there (core/fleet_host.h). Once a tick, after fleet_tick(). */
void fleet_steer(struct fleet *fleet, uint64_t realtime_us, struct plan *plan);
void fleet_view(const struct fleet *fleet, uint64_t realtime_us, struct fleet_view *ret);
/* NULL is fine. */
void fleet_close(struct fleet *fleet);

#endif
