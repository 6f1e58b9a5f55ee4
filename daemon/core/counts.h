/* The counts of a front, as one flat block. The daemon's own fronts keep it in memory; the proxy
 * keeps it in a file (RUN_DIR/counts/proxy-PID) that it maps and that the daemon reads with
 * pread(). Counters only grow; gauges are the present values. There is one writer and no lock: a
 * reader takes each 64-bit field by itself. */
#ifndef PENSTOCK_CORE_COUNTS_H
#define PENSTOCK_CORE_COUNTS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/fault.h"
#include "core/plan.h"
#include "core/reason.h"

#define COUNTS_MAGIC 0x746e6f63u /* "cont" */
#define COUNTS_VERSION 10u
/* Log-linear histograms of times: 8 slots per power of two of microseconds, see counts_slot(). */
#define COUNTS_SLOTS 256

struct counts_service {
	/* connections that asked, each once: admitted at once, deferred at once, or held, and then
	 * let in, told or gone */
	uint64_t offered;
	uint64_t admitted, deferred; /* verdicts; a late refusal counts as both */
	uint64_t would_defer; /* observe mode */
	uint64_t admitted_by[REASON__COUNT], deferred_by[REASON__COUNT],
		deferred_limit[LIMIT__COUNT];
	/* sessions that got their 220; a server that greets with 4yz or 5yz is in faults */
	uint64_t greeted;
	uint64_t finished; /* admitted sessions that ended, in any way */
	/* jobs done: a session that was greeted and ended in order, plus one for every 8 server
	 * turns before its end, so that the messages of a reused connection count */
	uint64_t completed;
	uint64_t busy_us; /* integral of busy over time */
	/* sums over finished sessions: duration, and the part in which the server owed an answer;
	 * both without the time in which the session was stuck */
	uint64_t session_us, server_us;
	uint64_t in_flight, shadow_in_flight, busy, ungreeted; /* gauges */
	/* gauge: sessions that wait for another party than the server (core/overtaken.h), or that
	 * the server has owed an answer for so long that they are no load (core/smtp_track.h) */
	uint64_t stuck;
	uint64_t oldest_waiting_since_us; /* gauge: CLOCK_MONOTONIC, 0: none waits */
	/* histogram: backend connect started -> first byte of the greeting */
	uint64_t connect_220[COUNTS_SLOTS];
	uint64_t connect_220_sum_us;
	uint64_t refused_lingering; /* gauge: refused clients still in dialogue */
	uint64_t refused_told; /* refused clients to which the whole reply went out */
	/* clients that had got their reply in this epoch already, and were reset */
	uint64_t refused_reset;
	uint64_t postponed; /* SYNs that the gate dropped once, for the client to send again */
	/* The waiting room (core/room.h). A connection that was held is also counted in admitted
	 * or deferred when its wait ends. */
	uint64_t held; /* gauge: connections that wait for a place */
	uint64_t oldest_held_since_us; /* gauge: CLOCK_MONOTONIC, 0: none is held */
	uint64_t held_admitted, held_in_vain; /* got a place; were refused after their wait */
	uint64_t held_left; /* the client went before either */
	/* observe mode: the part of would_defer that would have been held first */
	uint64_t would_hold;
	/* histogram: how long the wait was, once it has ended */
	uint64_t held_time[COUNTS_SLOTS];
	uint64_t held_sum_us;
};

struct counts {
	uint32_t magic, version;
	uint64_t heartbeat_us; /* CLOCK_MONOTONIC, written at least every 100 ms */
	uint64_t pid;
	/* bit i: this front decides for service i (set before the first connection) */
	uint64_t serves;
	char front[16]; /* "proxy", "policy" */
	uint64_t malformed; /* requests that could not be read */
	uint64_t errors; /* failures of the front itself: descriptors, memory */
	uint64_t decisions[COUNTS_SLOTS]; /* histogram: the time of a verdict, in nanoseconds */
	uint64_t decision_sum_ns;
	struct faults faults;
	/* plan_service_id() of each block, since another process may number services differently;
	 * 0: not used */
	uint64_t service_id[PLAN_SERVICES];
	struct counts_service service[PLAN_SERVICES];
};

/* The slot of a value (us or ns): exact below 8, then 8 slots to each power of two. The last slot
 * takes all larger values. */
unsigned counts_slot(uint64_t value);
/* The upper bound of a slot. */
uint64_t counts_slot_upper(unsigned slot);
/* Whether a block that another process wrote is of this version and has possible gauges. Its
 * counters are not checked: an absurd rate harms only that front, and the law bounds it. */
bool counts_are_sane(const struct counts *counts);
void counts_init(struct counts *counts, const char *front, uint64_t pid);
/* Puts the blocks, and the bits of `serves`, into the order of `service_id`. A block of a service
 * that is not in it is dropped; one that is missing is zero. */
void counts_arrange(struct counts *counts, const uint64_t service_id[PLAN_SERVICES]);
/* Counts one verdict of plan_decide(). */
void counts_verdict(struct counts_service *service, struct verdict verdict);
/* How the wait of a held connection ended. */
enum counts_held { HELD_ADMITTED, HELD_IN_VAIN, HELD_LEFT };
/* A connection begins to wait: counts it as offered and held. Its verdict comes later. */
void counts_hold(struct counts_service *service);
/* The wait ended after `held_us`. Counts a verdict unless the client left; the connection was
 * counted as offered when it began to wait. */
void counts_release(struct counts_service *service, enum counts_held end, uint64_t held_us,
		    struct verdict verdict);
/* Clears the gauges of a front that has ended. */
void counts_clear_gauges(struct counts_service *service);
/* sum += block, counters, gauges and histograms alike (oldest_..._since_us: the earlier). */
void counts_add(struct counts_service *sum, const struct counts_service *block);
/* Quantile q of the events between two readings of a histogram; -1: there were none. */
double counts_quantile(const uint64_t *now, const uint64_t *before, double q);

#endif
