/* What the hosts of a fleet tell each other about senders: one record for each source, a memory
 * for records, and their wire format. Pure: time is an argument, memory is the caller's.
 *
 * A record is an element of a semilattice, so that fleet_merge() is idempotent, commutative and
 * associative: loss, duplicates and the order of messages do not matter. `epoch` comes first: it
 * grows when a wait ends (the source was admitted, or gave up), and the record of the later
 * epoch wins whole. Within one epoch the wait is joined: earliest first, latest last, most
 * tries.
 *
 *   host 1 defers at 100   (0; 100..100; 1)  \
 *   host 2 defers at 101   (0; 101..101; 1)  -> (0; 100..101; 1): one wait, seen twice
 *   host 3, at 400         (0; 100..400; 2)     its second attempt, the first at host 3
 *   host 1 admits at 700   (700; none)          over: wins against all of the above, in any order
 *
 * Source: Shapiro et al. 2011, "Conflict-free replicated data types" (a lexicographic product of a
 * chain and a semilattice). */
#ifndef PENSTOCK_CORE_FLEET_H
#define PENSTOCK_CORE_FLEET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/siphash.h"

#define FLEET_AHEAD_S 60u /* a clock of another host may be ahead by so much */
#define FLEET_OLD_S (30 * 86400u) /* what is older than the ledger remembers is not taken */
#define FLEET_FRAME_RECORDS 512u
#define FLEET_FRAMES 4u /* that a host writes in a second, at most, beside the one about itself */
#define FLEET_RECORD_BYTES 24u
#define FLEET_HEAD_BYTES 24u
#define FLEET_HOST_BYTES 112u
#define FLEET_FRAME_BYTES (FLEET_HEAD_BYTES + FLEET_FRAME_RECORDS * FLEET_RECORD_BYTES)
#define FLEET_HOSTS 320u

enum fleet_class {
	FLEET_REGULAR = 1, /* had a session that did a job */
	FLEET_PROVEN = 2, /* came back properly */
	FLEET_LATE = 4, /* of this wait: was admitted and then refused late */
	FLEET_CLASSES = 7
};

struct fleet_record {
	uint64_t key; /* source_fleet_key(): the group, or its keyed hash */
	uint32_t epoch; /* CLOCK_REALTIME s: before it nothing counts; 0: not known */
	/* CLOCK_REALTIME s, credited attempts of this wait; both 0: it does not wait */
	uint32_t first, last;
	uint8_t tries; /* credited; 0: it does not wait */
	uint8_t classes; /* enum fleet_class */
	uint16_t spare;
};

/* Joins two records of one key. */
void fleet_merge(struct fleet_record *into, const struct fleet_record *from);
/* Whether another host can have said this at `now_s`. */
bool fleet_makes_sense(const struct fleet_record *record, uint32_t now_s);

/* ---- the memory: records by key, in sets of four; where a set is full, what is oldest is
 * forgotten */
struct fleet_slot {
	struct fleet_record record;
	uint8_t own; /* this host saw an attempt of this wait */
	uint8_t changed; /* by this host, and not taken by fleet_changes() yet */
	uint8_t spare[6];
};

#define FLEET_SET_SLOTS 4u
struct fleet_memory {
	struct fleet_slot *slots; /* 4 x sets, zero: free */
	uint32_t sets; /* a power of two */
	uint64_t *queue; /* keys of what changed */
	uint32_t queue_size, queue_from, queued;
	uint64_t tracked, forgotten, left_out; /* left out: the queue was full */
};

/* What the ledger of this host says of a source now, after an event. */
struct fleet_seen {
	bool deferred;
	uint32_t first, last;
	uint8_t tries, classes;
};

/* Whether there is a record of that key. */
bool fleet_knows(const struct fleet_memory *memory, uint64_t key);
/* Takes in what this host sees. Returns true, with the record as it is now, if that is news. */
bool fleet_note(struct fleet_memory *memory, uint64_t key, const struct fleet_seen *seen,
		uint32_t now_s, struct fleet_record *ret);
/* Takes in what another host says. Returns true, with the record as it is now, if that is news.
 * If this host itself saw the source wait after the other's epoch, the wait begins again in that
 * epoch and is told. */
bool fleet_take(struct fleet_memory *memory, const struct fleet_record *record, uint32_t now_s,
		struct fleet_record *ret);
/* The next changes of this host to be told. Returns how many. */
unsigned fleet_changes(struct fleet_memory *memory, struct fleet_record *ret, unsigned most);

/* ---- one host, for people and balancers */
struct fleet_host {
	char name[64];
	uint64_t id; /* of the process */
	uint64_t realtime_us; /* when it was true, by its own clock */
	int32_t window; /* sessions; -1: open */
	uint32_t in_flight;
	float demand; /* offered / what can be carried; < 0: not known */
	uint8_t level, state, observes; /* enum of plan.h and level.h */
	uint8_t spare;
};

/* ---- bytes: little-endian; a head, then the records or the host. The seal is SipHash over all of
 * it but itself: with a secret key only hosts of the fleet can make one. */
enum fleet_kind { FLEET_LEDGER = 1, FLEET_HOST = 2 };

/* Returns the length; `bytes` has FLEET_FRAME_BYTES. */
size_t fleet_put_records(const struct siphash_key *key, uint64_t host,
			 const struct fleet_record *records, unsigned count, uint8_t *bytes);
size_t fleet_put_host(const struct siphash_key *key, const struct fleet_host *host, uint8_t *bytes);
/* Number of records (0 or more) in `ret` (FLEET_FRAME_RECORDS); -EBADMSG: not one of ours, damaged,
 * or made with another key. */
int fleet_get_records(const struct siphash_key *key, const uint8_t *bytes, size_t length,
		      uint64_t *ret_host, struct fleet_record *ret);
/* 0 or -EBADMSG. The name is printable and ends. */
int fleet_get_host(const struct siphash_key *key, const uint8_t *bytes, size_t length,
		   struct fleet_host *ret);

#endif
