/* The table of sources (core/source.h) in the daemon, its only writer. Fronts report what happened
 * to each client (sources_take()), and get ranks from the table; proxies map it
 * (store/sourcefile.h). Without memory for it all clients have the same rank. */
#ifndef PENSTOCK_SOURCES_SOURCES_H
#define PENSTOCK_SOURCES_SOURCES_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "core/distinct.h"
#include "core/engine.h"
#include "core/fault.h"
#include "core/load.h"
#include "core/plan.h"
#include "core/source.h"

struct sources;

/* A source as operators see it: what is known of it, and when it would be admitted. */
struct source_snapshot {
	struct source_view view;
	/* with a retry after so long at the current load; UINT32_MAX: not within a week */
	uint32_t admitted_in_s;
};

/* `seed`: the keys of a new table. 0 or -ENOMEM. If there is no memory for the table itself, that
 * is logged and is no error. */
int sources_open(const struct config *config, const uint64_t seed[2], struct sources **ret_sources);
/* Writes what has changed. NULL is fine. */
void sources_close(struct sources *sources);
/* Takes a new configuration. A new size of the table needs a restart; that is logged. */
void sources_configure(struct sources *sources, const struct config *config);

/* Reports what happened to clients. False: there is no table. */
bool sources_take(struct sources *sources, const struct source_event *events, unsigned count,
		  uint64_t now_us);
/* Calls `watch` after the table took events, with them; NULL: no watcher. */
typedef void sources_watcher(void *context, const struct source_event *events, unsigned count,
			     uint64_t now_us);
void sources_watch(struct sources *sources, sources_watcher *watch, void *context);
/* What the table knows of an address (IPv4 mapped). False: there is no table. */
bool sources_rank(const struct sources *sources, const struct in6_addr *address, uint64_t now_us,
		  struct plan_source *ret);
/* Once a tick, after engine_step() and before the plan goes out: puts the cut-offs into the
 * plan. */
void sources_plan(struct sources *sources, const struct engine *engine, const struct load *load,
		  uint64_t now_us, uint64_t realtime_us, struct plan *plan);

/* NULL: there is no table. */
struct source_table *sources_table(const struct sources *sources);
/* As of the last tick; NULL: none yet, or there is no table. */
const struct source_stats *sources_stats(const struct sources *sources);
/* The address that may stand for many clients, as of the last second. */
const struct source_shared *sources_shared(const struct sources *sources);
/* The one that FAULT_SHARED_ADDRESS was last about. */
const struct source_shared *sources_shared_last(const struct sources *sources);
/* Faults that the table finds: FAULT_SHARED_ADDRESS, once a minute while it lasts. */
const struct faults *sources_faults(const struct sources *sources);
/* Counts the different sources that were deferred since the last sources_deferred_taken(). */
const struct distinct *sources_deferred(const struct sources *sources);
void sources_deferred_taken(struct sources *sources);
/* The errno of the last attempt to write the ledger; 0: it was written. */
int sources_error(const struct sources *sources);

/* One address. False: there is no table. */
bool sources_snapshot(const struct sources *sources, const struct in6_addr *address,
		      const struct plan *plan, struct source_snapshot *ret);
/* The first `most` sources known by name. Returns how many. */
unsigned sources_list(const struct sources *sources, enum source_sort sort, const struct plan *plan,
		      struct source_snapshot *ret_list, unsigned most);

#endif
