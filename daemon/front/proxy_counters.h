/* Fronts that are processes of their own (penstock-proxy), as the daemon sees them: one counts file
 * each in RUN_DIR/counts, read with pread() because a mapping of a foreign file can kill its
 * reader. A process that died (its lock is free) is retired: its counters stay in the totals, its
 * gauges go at once. */
#ifndef PENSTOCK_FRONT_PROXY_COUNTERS_H
#define PENSTOCK_FRONT_PROXY_COUNTERS_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "core/counts.h"
#include "core/load.h"
#include "core/sample.h"
#include "core/source.h"

#define PROXY_COUNTERS_MAX 8

/* Why a proxy is down. */
#define PROXY_HANGS "no heartbeat: it hangs or is stopped"
#define PROXY_OUTDATED \
	"penstock-proxy is of another version and its counts cannot be read; restart it"
#define PROXY_GONE \
	"penstock-proxy does not run, and clients may be unable to connect; its log says why"

struct proxy_counters;

struct proxy_counted {
	struct counts counts; /* as last read, in the order of the daemon's services */
	bool fresh; /* its heartbeat is young */
};

/* Makes the directory RUN_DIR/counts if it is missing. Services are matched by name. A proxy whose
 * service is not in `config` is not counted. NULL: the directory cannot be watched, which is
 * logged; no proxy is counted then, and everything else works. */
struct proxy_counters *proxy_counters_open(const struct config *config);
/* Call it when the configuration has changed. */
void proxy_counters_configure(struct proxy_counters *proxies, const struct config *config);
void proxy_counters_close(struct proxy_counters *proxies);
/* These three are called once a tick, in this order; with NULL they do nothing.
 *
 * Reads all files; looks for new ones once a second. */
void proxy_counters_poll(struct proxy_counters *proxies, uint64_t now_us);
/* Adds the counts to `load` (with all known bits for services that a living front serves). Puts
 * connect-to-220, the oldest waiting session and the number of waiting sessions into the sample. */
void proxy_counters_put(struct proxy_counters *proxies, uint64_t now_us, struct load *load,
			struct sample *sample);
/* Passes on the events that each front has written since the last call, at most some thousand a
 * front. proxy_counters_events_lost() counts those that were overwritten before they were read. */
void proxy_counters_tell(struct proxy_counters *proxies,
			 void (*seen)(void *context, const struct source_event *events,
				      unsigned count, uint64_t now_us),
			 void *context, uint64_t now_us);
unsigned proxy_counters_count(const struct proxy_counters *proxies);
const struct proxy_counted *proxy_counters_of(const struct proxy_counters *proxies, unsigned index);
uint64_t proxy_counters_events_lost(const struct proxy_counters *proxies);
/* Whether a proxy decides now. If none does, `ret_why` is the reason, a text that stays. */
bool proxy_counters_up(const struct proxy_counters *proxies, const char **ret_why);
/* Whether a proxy of another version runs, whose counts cannot be read: one from before an upgrade,
 * which leaves a running proxy alone. */
bool proxy_counters_outdated(const struct proxy_counters *proxies);
/* The counts of retired fronts. */
const struct counts *proxy_counters_retired(const struct proxy_counters *proxies);

#endif
