/* What a front has counted, as one flat block: the daemon's own fronts keep it in memory, the proxy in a file
 * (RUN_DIR/counts/proxy-PID) that it maps and the daemon reads with pread(). Counters only grow while a block lives; gauges
 * are of now. One writer, no lock: a reader takes each 64-bit field by itself. */
#ifndef PENSTOCK_CORE_COUNTS_H
#define PENSTOCK_CORE_COUNTS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/plan.h"
#include "core/reason.h"

#define COUNTS_MAGIC 0x746e6f63u /* "cont" */
#define COUNTS_VERSION 2u
/* Log-linear histograms of times: 8 slots per power of two of microseconds, see counts_slot(). */
#define COUNTS_SLOTS 256

struct counts_service {
	uint64_t offered; /* connections that asked */
	uint64_t admitted, deferred; /* verdicts; a late refusal counts as both */
	uint64_t would_defer; /* observe mode */
	uint64_t admitted_by[REASON__COUNT], deferred_by[REASON__COUNT],
		deferred_limit[LIMIT__COUNT];
	uint64_t greeted; /* sessions that got their 220 */
	uint64_t finished; /* admitted sessions that ended, however */
	uint64_t
		completed; /* jobs done: a session that was greeted and ended in order, and one for every 8
				server turns before that, so that a reused connection counts its messages */
	uint64_t busy_us; /* integral of busy over time */
	uint64_t session_us,
		server_us; /* sums over finished sessions: duration, and the part in which the
					    server owed an answer */
	uint64_t in_flight, shadow_in_flight, busy, waiting; /* gauges */
	uint64_t oldest_waiting_since_us; /* gauge: CLOCK_MONOTONIC, 0: none waits */
	uint64_t connect_220
		[COUNTS_SLOTS]; /* histogram: backend connect started -> first byte of the greeting */
	uint64_t connect_220_sum_us;
	uint64_t refused_lingering; /* gauge: refused clients still in dialogue */
	uint64_t refused_told; /* refused clients to which the whole reply went out */
};

struct counts {
	uint32_t magic, version;
	uint64_t heartbeat_us; /* CLOCK_MONOTONIC, written at least every 100 ms */
	uint64_t pid;
	uint64_t
		serves; /* bit i: this front decides for service i (set before the first connection) */
	char front[16]; /* "proxy", "policy" */
	uint64_t malformed; /* requests that could not be read */
	uint64_t errors; /* failures of the front itself: descriptors, memory */
	uint64_t decisions[COUNTS_SLOTS]; /* histogram in nanoseconds of what a verdict took */
	uint64_t decision_sum_ns;
	struct counts_service service[PLAN_SERVICES];
};

/* The slot of a value (us or ns): exact below 8, then 8 to the power of two, the last takes all above. */
unsigned counts_slot(uint64_t value);
/* The upper bound of a slot. */
uint64_t counts_slot_upper(unsigned slot);
/* Whether a block that another process wrote is one of this version with gauges that can be. The counters are taken as they are:
 * a rate that comes out absurd is that front's, and bounded by the law. */
bool counts_are_sane(const struct counts *counts);
void counts_init(struct counts *counts, const char *front, uint64_t pid);
/* For one verdict of plan_decide(). */
void counts_verdict(struct counts_service *service, struct verdict verdict);
/* sum += block, counters, gauges and histograms alike (oldest_waiting_since_us: the earlier). */
void counts_add(struct counts_service *sum, const struct counts_service *block);
/* Quantile q of the events between two readings of a histogram; -1 when there were none. */
double counts_quantile(const uint64_t *now, const uint64_t *before, double q);

#endif
