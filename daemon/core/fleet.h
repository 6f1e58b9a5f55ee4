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

#define FLEET_AHEAD_S 60u /* the clock of another host may be ahead by so much */
/* records of older events are not taken: the ledger forgets them, too */
#define FLEET_OLD_S (30 * 86400u)
#define FLEET_FRAME_RECORDS 512u
#define FLEET_FRAMES 4u /* a host writes at most so many in a second, and one about itself */
#define FLEET_RECORD_BYTES 24u
#define FLEET_HEAD_BYTES 24u
#define FLEET_HOST_BYTES 112u
#define FLEET_FRAME_BYTES (FLEET_HEAD_BYTES + FLEET_FRAME_RECORDS * FLEET_RECORD_BYTES)
#define FLEET_HOSTS 320u

enum fleet_class {
	FLEET_REGULAR = 1, /* had a session that did a job */
	FLEET_PROVEN = 2, /* retried properly after a refusal */
	FLEET_LATE = 4, /* in this wait it was admitted and then refused late */
	FLEET_CLASSES = 7
};

struct fleet_record {
	uint64_t key; /* source_fleet_key(): the group, or its keyed hash */
	uint32_t epoch; /* CLOCK_REALTIME s: events before it do not count; 0: not known */
	/* CLOCK_REALTIME s of the first and last credited attempt of this wait; both 0: it does not
	 * wait */
	uint32_t first, last;
	uint8_t tries; /* credited; 0: it does not wait */
	uint8_t classes; /* enum fleet_class */
	uint16_t spare;
};

/* Joins two records of one key. */
void fleet_merge(struct fleet_record *into, const struct fleet_record *from);
/* Whether another host can have sent this record at `now_s`. */
bool fleet_makes_sense(const struct fleet_record *record, uint32_t now_s);

/* ---- the memory: records by key, in sets of four. A full set forgets its oldest record */
struct fleet_slot {
	struct fleet_record record;
	uint8_t own; /* this host saw an attempt of this wait */
	uint8_t changed; /* by this host, and fleet_changes() has not taken it yet */
	uint8_t spare[6];
};

#define FLEET_SET_SLOTS 4u
struct fleet_memory {
	struct fleet_slot *slots; /* 4 x sets, zero: free */
	uint32_t sets; /* number of sets, a power of two */
	uint64_t *queue; /* keys of the changed records */
	uint32_t queue_size, queue_from, queued;
	/* left_out: changes not queued, because the queue was full */
	uint64_t tracked, forgotten, left_out;
};

/* What the ledger of this host knows of a source after an event. */
struct fleet_seen {
	bool deferred;
	uint32_t first, last;
	uint8_t tries, classes;
};

/* Whether there is a record of that key. */
bool fleet_knows(const struct fleet_memory *memory, uint64_t key);
/* Records what this host sees. Returns true, with the record as it is now, if that is news. */
bool fleet_note(struct fleet_memory *memory, uint64_t key, const struct fleet_seen *seen,
		uint32_t now_s, struct fleet_record *ret);
/* Merges a record from another host. Returns true, with the record as it is now, if that is news.
 * If this host saw the source wait after the other host's epoch, the wait begins again in that
 * epoch, and the other hosts are told. */
bool fleet_take(struct fleet_memory *memory, const struct fleet_record *record, uint32_t now_s,
		struct fleet_record *ret);
/* Forgets all records, and the changes that wait. The counters stay, but for `tracked`. */
void fleet_forget(struct fleet_memory *memory);
/* Takes the next changes of this host that are to be sent. Returns how many. */
unsigned fleet_changes(struct fleet_memory *memory, struct fleet_record *ret, unsigned most);

/* ---- what one host says of itself, for people and load balancers */
struct fleet_host {
	char name[64];
	uint64_t id; /* of the process */
	uint64_t realtime_us; /* when the report was made, by the host's own clock */
	int32_t window; /* sessions; -1: open */
	uint32_t in_flight;
	float demand; /* offered / what can be carried; < 0: not known */
	uint8_t level, state, observes; /* enum of plan.h and level.h */
	uint8_t spare;
};

/* ---- frames: little-endian; a head, then the records or the host. The seal is a SipHash of all
 * other bytes: only hosts of the fleet have the key and can make one. */
enum fleet_kind { FLEET_LEDGER = 1, FLEET_HOST = 2 };

/* Returns the length. `bytes` has room for FLEET_FRAME_BYTES. */
size_t fleet_put_records(const struct siphash_key *key, uint64_t host,
			 const struct fleet_record *records, unsigned count, uint8_t *bytes);
size_t fleet_put_host(const struct siphash_key *key, const struct fleet_host *host, uint8_t *bytes);
/* Returns the number of records (0 or more) in `ret` (room for FLEET_FRAME_RECORDS); -EBADMSG: not
 * a frame, damaged, or made with another key. */
int fleet_get_records(const struct siphash_key *key, const uint8_t *bytes, size_t length,
		      uint64_t *ret_host, struct fleet_record *ret);
/* 0 or -EBADMSG. The name is printable and terminated. */
int fleet_get_host(const struct siphash_key *key, const uint8_t *bytes, size_t length,
		   struct fleet_host *ret);

#endif
