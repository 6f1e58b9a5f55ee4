/* What the gate's BPF programs and kernel/gate.c both read and write: one block of memory that is
 * mapped into the daemon, and the values of the maps. GATE_LAYOUT numbers this layout: maps with
 * another number are not taken over from an earlier daemon. */
#ifndef PENSTOCK_BPF_GATE_SHARED_H
#define PENSTOCK_BPF_GATE_SHARED_H

#include "core/plan.h"
#include "core/told.h"
#include "shared.h"

#define GATE_LAYOUT 0x67740008u /* raise it with every change here or of struct plan */

#define GATE_WATCHED 16
#define GATE_TICKETS 16384
#define GATE_SESSIONS 32768
#define GATE_REFUSALS 65536 /* refused tuples; the kernel drops the oldest */
#define GATE_CLOSINGS 16384 /* closing tuples, likewise */
#define GATE_NETWORKS 4096
/* ranked sources; the kernel drops those that are not looked up */
#define GATE_RANKS 65536
#define GATE_SOURCES 16384 /* addresses with sessions in flight */
/* addresses that completed a handshake; the kernel drops the least recently seen */
#define GATE_PROVEN 32768
/* addresses that received their refusal; one that is dropped gets the dialogue once more */
#define GATE_TOLD 65536
#define GATE_TOLD_MIN 16 /* octets acknowledged: more than a FIN alone, so a reply */
#define GATE_RING_BYTES (1u << 20)
#define GATE_HANDSHAKE_SLOTS 32 /* powers of two of us */
#define GATE_POSTPONED 32768 /* tuples whose first SYN was dropped; the kernel drops the oldest */
/* the first SYN of a tuple is not dropped again for so long */
#define GATE_POSTPONED_NS 10000000000ull
/* a refused tuple stays refused: for retransmitted SYNs, and for the ACK of its cookie */
#define GATE_REFUSED_NS 10000000000ull
/* stray segments of a closed connection are looked up as if they were new */
#define GATE_SEEN_NS 2000000000ull

/* Tickets by the time at which they were made: how many there were, and how many became
 * sessions. */
#define GATE_SYNS 128 /* slots of 2^25 ns (34 ms): 4.3 s, longer than any ticket lives */
#define GATE_SYNS_SHIFT 25
struct gate_syns {
	uint32_t turn; /* made_ns >> GATE_SYNS_SHIFT */
	uint32_t made, used, spare;
};

/* Only the daemon maps it. `places_taken`, `sessions` and the kernel's counters may change while
 * the daemon reads them. */
struct gate_state {
	uint32_t layout, service, netns_inum, enabled;
	uint32_t paused; /* the responder takes no clients */
	uint32_t answer_all; /* no server listens: every client goes to the responder */
	uint32_t loopback; /* decide on local clients too */
	uint32_t resets; /* clients that received a refusal in this epoch are reset */
	/* another front decides: only clients that were refused before get a verdict */
	uint32_t beside;
	/* sessions: the part of the window that unproven tickets may take from proven addresses,
	 * and up to which an address' own tickets and sessions count as proven */
	uint32_t share;
	uint32_t trusted_count, refused_count; /* entries of these maps; 0: no lookup is needed */
	uint32_t ranked; /* sources have ranks; one that is not in the map has `absent` */
	uint32_t current; /* the present plan: plan[current & 1] */
	uint16_t ports[GATE_WATCHED];
	struct plan plan[2];
	struct plan_source absent;

	int64_t places_taken; /* tickets and sessions that count against the window */
	int64_t pending; /* of these, tickets */
	int64_t unproven; /* of these, tickets with GATE_UNPROVEN */
	/* The daemon's last judgement: tickets that were open then; how many of them may still
	 * become sessions; and how many tickets count at most while SYNs fail (PLAN_UNLIMITED:
	 * all). */
	int64_t pending_then, pending_likely;
	uint32_t pending_max;
	uint32_t pending_usual; /* tickets that honest handshakes explain, and the share */
	int64_t sessions; /* open at the MTA, by whatever verdict */
	/* sessions that wait for their greeting, as of the last tick; used without a probe */
	int64_t ungreeted;
	int64_t waiting_then; /* tickets that were open when the plan was pushed */
	struct plan_bucket bucket;
	/* sessions there as of the last tick, and those that passed since */
	int64_t beside_in_flight;
	/* how many more may wait for a place in the other front; likewise */
	int64_t beside_room;
	uint64_t handshake_us; /* sum over tickets that became sessions */
	uint64_t handshakes[GATE_HANDSHAKE_SLOTS];
	struct gate_syns syns[GATE_SYNS];
	uint64_t lookups_stale, passed_full, passed_closed, sessions_lost, events_lost;
	uint64_t postponed; /* SYNs that were dropped, so that the client sends them again */
	uint64_t audit; /* generation of the walk over all sockets */
	uint64_t walk_found; /* sessions that the walk added */

	/* For the test that kernel and daemon decide alike. */
	struct plan_request test_request;
	struct verdict test_verdict;
};

/* Where another program counts the sessions that wait for their greeting: `ungreeted` of struct
 * smtp_port of the first port, in the value of the map `probe`. Set before loading. */
struct gate_probe_place {
	uint32_t at; /* offset in bytes */
	uint32_t slots; /* the service's ports, as bits; 0: they are not counted */
};

/* Keys of the map of listeners: the responder's, and those that drop every SYN. */
enum gate_listener {
	GATE_LISTENER_V4,
	GATE_LISTENER_V6,
	GATE_DEAF_V4,
	GATE_DEAF_V6,
	GATE_LISTENERS
};

enum gate_flags {
	GATE_UNCOUNTED = 1, /* not part of `places_taken`: observe mode, beyond the window */
	/* of a ticket: it counts once it is a session (trusted, or its tuple was just in use) */
	GATE_LATE = 2,
	/* of a ticket: its address never completed a handshake, or holds the share already */
	GATE_UNPROVEN = 4,
	GATE_HOLDS_NONE = GATE_UNCOUNTED | GATE_LATE,
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
	uint32_t spare;
};

struct gate_network_key {
	uint32_t bits;
	uint8_t address[16];
};

/* Counters of one CPU, which only grow. Sizes are powers of two, so that a mask bounds the index
 * for the verifier. */
#define GATE_REASONS 32
#define GATE_LIMITS 16
struct gate_counters {
	uint64_t offered, admitted, deferred, would_defer;
	uint64_t reset; /* of `deferred`, clients that were refused before and reset now */
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
