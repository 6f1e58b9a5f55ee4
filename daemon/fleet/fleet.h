/* This host in a fleet. All hosts share which sources have waited for how long, and the state of
 * each host. Redis or Valkey carries the messages (fleet/exchange.h). Merging records
 * (core/fleet.h) and entering them into the ledger (core/source.h, source_join()) are pure. A
 * verdict never waits for the store. Without a store, or with one that lies, each host decides as
 * if it were alone.
 *
 *   event -> ledger -> fleet_note() -> change -> store -> other hosts
 *                      -> fleet_take() -> source_join() -> their ledgers */
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
	bool next_mx; /* so clients wait here for a short time only */
	char server[128];
	char why[256]; /* why it is not connected, as a clause */
	uint64_t since_us; /* CLOCK_MONOTONIC: since when it is connected, or not */
	uint64_t restarts; /* of the process that talks to the store */
	uint64_t failures, messages_sent, messages_read, messages_bad, bytes_read;
	uint64_t records_sent, records_read, joined; /* joined: changed something in the ledger */
	uint64_t refused; /* records that make no sense, or whose clock is ahead */
	/* of the memory; unsent: changes that are to be sent */
	uint64_t tracked, forgotten, left_out, unsent;
	uint64_t round_us;
	unsigned hosts;
	struct fleet_line host[FLEET_HOSTS]; /* by name */
};

/* 0 or -ENOMEM. A problem with the store or its secrets is logged and is no error. `table` may be
 * NULL; it and `config` stay the caller's. */
int fleet_open(const struct config *config, struct source_table *table, struct fleet **ret_fleet);
/* Takes a changed configuration: if [fleet] changed, a new connection begins. */
void fleet_configure(struct fleet *fleet, const struct config *config);
/* Takes events of clients after the table has taken them; struct sources calls it. */
void fleet_events(void *fleet, const struct source_event *events, unsigned count, uint64_t now_us);
/* Once a tick, after sources_plan(), from which the table knows the time. */
void fleet_tick(struct fleet *fleet, const struct engine_view *view, uint64_t now_us,
		uint64_t realtime_us);
/* With fleet.next_mx, and while another host has room: limits the wait in the plan to the time that
 * a sender needs to get to the next host (core/fleet_host.h). Once a tick, after fleet_tick(). */
void fleet_steer(struct fleet *fleet, uint64_t realtime_us, struct plan *plan);
void fleet_view(const struct fleet *fleet, uint64_t realtime_us, struct fleet_view *ret);
/* NULL is fine. */
void fleet_close(struct fleet *fleet);

#endif
