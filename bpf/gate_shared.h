/* What the gate's BPF program and kernel/gate.c both read and write: one block of memory that is mapped into the daemon, and
 * the values of the maps. GATE_LAYOUT names this layout: maps of another one are not taken over from an earlier daemon. */
#ifndef PENSTOCK_BPF_GATE_SHARED_H
#define PENSTOCK_BPF_GATE_SHARED_H

#include "core/plan.h"
#include "shared.h"

#define GATE_LAYOUT 0x67740003u /* raise it with every change here, or of struct plan */

#define GATE_WATCHED 16
#define GATE_TICKETS 16384
#define GATE_SESSIONS 32768
#define GATE_REFUSALS 65536 /* tuples refused: the kernel forgets the oldest */
#define GATE_CLOSINGS 16384 /* tuples seen closing, the same */
#define GATE_NETWORKS 4096
#define GATE_RANKS \
	65536 /* sources that the daemon ranked; the kernel forgets those that nobody asked for */
#define GATE_SOURCES 16384 /* addresses with sessions in flight */
#define GATE_RING_BYTES (1u << 20)
#define GATE_HANDSHAKE_SLOTS 32 /* powers of two of us */
#define GATE_REFUSED_NS \
	10000000000ull /* a refused tuple stays refused: its SYN comes again, its cookie's ACK too */
#define GATE_SEEN_NS \
	2000000000ull /* stray segments of a closed connection are looked up as if they were new */

/* Not mapped by anybody else: `used`, `sessions` and what the kernel counts change under the daemon's eyes. */
struct gate_state {
	uint32_t layout, service, netns_inum, enabled;
	uint32_t paused; /* the responder takes nobody */
	uint32_t answer_all; /* nothing listens: everybody goes to the responder */
	uint32_t loopback; /* decide on local clients too */
	uint32_t sessions_only; /* a flood of SYNs holds the tickets: they do not count */
	uint32_t trusted_count, refused_count; /* which lookups are worth making */
	uint32_t ranked; /* sources have ranks: those that are absent have `absent` */
	uint32_t current; /* the plan in force: plan[current & 1] */
	uint16_t ports[GATE_WATCHED];
	struct plan plan[2];
	struct plan_source absent;

	int64_t used; /* tickets and sessions that count against the window */
	int64_t sessions; /* open at the MTA, whatever admitted them */
	int64_t waiting; /* for their greeting, as the daemon last saw it: where no probe counts them */
	int64_t tickets_then; /* that were open when the plan was pushed */
	struct plan_bucket bucket;
	uint64_t tickets_made, tickets_used;
	uint64_t handshakes[GATE_HANDSHAKE_SLOTS];
	uint64_t lookups_stale, passed_full, passed_closed, sessions_lost, events_lost;
	uint64_t audit; /* generation of the walk over all sockets */
	uint64_t walk_found; /* sessions that the walk added */

	/* For the proof that the kernel decides as the daemon does. */
	struct plan_request test_request;
	struct verdict test_verdict;
};

/* Where another program counts the sessions that wait for their greeting, as they come and go: in the value of the map
 * `probe`, struct smtp_port's `waiting` of the first port. Given before loading. */
struct gate_probe_place {
	uint32_t at; /* bytes */
	uint32_t slots; /* ports that are the service's, by bits; 0: nobody counts */
};

enum gate_flags {
	GATE_UNCOUNTED = 1, /* not part of `used`: observe mode, beyond the window */
};

struct gate_ticket {
	uint64_t made_ns;
	struct verdict verdict;
	uint32_t flags;
};

struct gate_session {
	struct smtp_tuple tuple;
	uint32_t flags;
	uint64_t opened_ns;
	uint64_t audit; /* the last walk that saw it */
};

struct gate_refusal {
	uint64_t at_ns;
	struct verdict verdict;
	uint32_t counted; /* its handshake was complete */
};

struct gate_network_key {
	uint32_t bits;
	uint8_t address[16];
};

/* Per CPU, only growing. Powers of two, so that a mask bounds the index for the verifier. */
#define GATE_REASONS 32
#define GATE_LIMITS 16
struct gate_counters {
	uint64_t offered, admitted, deferred, would_defer;
	uint64_t admitted_by[GATE_REASONS], deferred_by[GATE_REASONS], deferred_limit[GATE_LIMITS];
};
_Static_assert(REASON__COUNT <= GATE_REASONS && LIMIT__COUNT <= GATE_LIMITS, "room for all");

struct gate_record {
	struct smtp_tuple tuple;
	struct verdict verdict;
	uint64_t at_ns;
	uint64_t session_ns; /* of a finished session */
	uint32_t finished, spare;
};

#endif
