/* What is remembered about sources, as one flat block of memory.
 *
 * The block holds a rate sketch (the load of each source, and how often each address connects), a
 * ledger (which sources wait, since when, and which came back properly), the heaviest sources by
 * name, and the address ranges of pools. From them source_lookup() makes a rank in O(1), and
 * source_plan() makes the cut-offs, so that as many connections pass as there are credits. The
 * block contains no pointer. The daemon, its only writer, places it in a file, and a front in
 * another process maps that file read-only and computes ranks itself. A reader may see half of a
 * change, which at worst gives one verdict a wrong rank.
 *
 * Keys. A rate is kept for the address (IPv4 address, IPv6 /64) and for its network (/24, /48). The
 * ledger is keyed by /24 and /64, because retries of one message come from several addresses. A
 * named pool stands for all of its networks. All hashes are keyed, so that an outsider cannot aim
 * at a cell.
 *
 * Rank, as a sum (the table is in source_score.c): class + seniority + urgency - 4 log2 max(1, rate
 * / fair rate). Only proper retries increase seniority. If the promise (objective.longest_deferral
 * and longest_attempts) would be broken soon, or the patience of the senders runs out, a source is
 * in the promised band.
 *
 * If the block or an entry of it is lost, seniority is lost and never mail. Pure: time and events
 * are arguments.
 *
 * Sources: Cormode and Muthukrishnan 2005 with conservative update (Estan and Varghese 2002) for
 * the sketch, Metwally et al. 2005 (SpaceSaving), Mitzenmacher 2001 (two choices), Flajolet et al.
 * 2007 (HyperLogLog), DAGOR (SoCC'18) for a cut-off from a histogram of what arrives. */
#ifndef PENSTOCK_CORE_SOURCE_H
#define PENSTOCK_CORE_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/plan.h"

#define SOURCE_MAGIC 0x63727573u /* "surc" */
#define SOURCE_VERSION 4u
#define SOURCE_POOLS 64
#define SOURCE_NETWORKS 2048 /* of all pools together */
#define SOURCE_TOP 1024
#define SOURCE_WAITERS 1024
#define SOURCE_BINS 1024 /* of rank: rank >> PLAN_RANK_SHIFT */
#define SOURCE_GAPS 12 /* classes of retry interval, by power of two of 64 s */
#define SOURCE_AGES 32 /* classes of age, two to the power of two from 2 min */
struct source_network {
	uint8_t address[16]; /* IPv4 as mapped */
	uint8_t bits; /* of 128 */
	uint8_t pool; /* index */
};

struct source_pool {
	char name[32];
	uint32_t weight; /* how many shares of the fair rate it may have, >= 1 */
	/* time after which its senders give up; 0: learned from their retry interval, as for
	 * others */
	uint32_t patience_s;
};

struct source_config {
	uint64_t ledger_bytes; /* rounded down to 64 times a power of two; at least 64 KiB */
	uint64_t rate_bytes; /* rounded in the same way; at least 64 KiB */
	double cores; /* that the server has: scales the unit of charge */
	uint32_t longest_deferral_s; /* the promise */
	uint32_t longest_attempts;
	/* a retry is proper, and credited, if it comes so long after the last credited one */
	uint32_t proper_s;
	uint32_t rate_max; /* connections a minute from one address; 0: no such limit */
	uint32_t sessions_max; /* at once from one address; 0: no such limit */
	unsigned pools, networks;
	struct source_pool pool[SOURCE_POOLS];
	struct source_network network[SOURCE_NETWORKS]; /* longest prefix wins */
};

struct source_table; /* the block; its inside is in source_parts.h */

/* A session did a job if the server gave at least so many answers: the greeting, EHLO, the envelope
 * and the end of the message, however they are pipelined. A client that only connects, or only says
 * EHLO and QUIT, gets fewer. */
#define SOURCE_JOB_TURNS 4

/* What happened to a client, as fronts report it. 32 bytes, also in the ring of a proxy. */
enum source_event_kind {
	SOURCE_ATTEMPT, /* a verdict was given */
	SOURCE_LATE, /* admitted before, and then refused late */
	SOURCE_FINISHED, /* an admitted session ended */
	SOURCE_EVENT__COUNT
};

struct source_event {
	uint8_t address[16]; /* IPv4 as mapped */
	uint32_t server_us; /* FINISHED: the server's part of the session */
	uint32_t count; /* number of such events; 0 means 1 */
	uint8_t kind; /* enum source_event_kind */
	uint8_t service;
	uint8_t admitted; /* ATTEMPT */
	uint8_t reason, limit; /* ATTEMPT: of the verdict */
	/* FINISHED: answers of the server, its greeting included; 255: that many or more */
	uint8_t turns;
	uint8_t spare[2];
};

/* The event of a verdict. `address`: 16 bytes, IPv4 as mapped. */
struct source_event source_attempt(const uint8_t *address, unsigned service,
				   struct verdict verdict);

/* Bytes that a block needs for this configuration. */
size_t source_size(const struct source_config *config);
/* Makes an empty table in `block` (aligned to 64, source_size() bytes, any content). `seed` keys
 * the hashes. */
struct source_table *source_init(void *block, const struct source_config *config,
				 const uint64_t seed[2]);
/* Applies those options that a running table can change: limits, the promise, the networks of
 * pools. Sizes stay. */
void source_configure(struct source_table *table, const struct source_config *config);
/* Bytes that the table takes. */
size_t source_table_size(const struct source_table *table);
/* For a block that another process wrote: the table, or NULL if it is not of this version or does
 * not lie within `size` bytes. */
const struct source_table *source_check(const void *block, size_t size);

/* What is known of an address, for plan_rank(). O(1), calls nothing outside. `now_us`:
 * CLOCK_MONOTONIC, as everywhere. */
void source_lookup(const struct source_table *table, const uint8_t *address, uint64_t now_us,
		   struct plan_source *ret);
/* Takes in events of the fronts. For the writer only; about a third of a microsecond for each. An
 * event may contain any bytes. */
void sources_note(struct source_table *table, const struct source_event *events, unsigned count,
		  uint64_t now_us);

/* One service, as the engine sees it now. */
struct source_load {
	double capacity_per_s; /* sessions a second that it can complete; <= 0: not known */
	double admitted_per_s;
	double in_flight; /* < 0: not known */
	double window; /* < 0: open */
	double most; /* number of sessions beyond which a cliff is; < 0: not known */
	bool refusing; /* something was refused lately */
};

struct source_input {
	uint64_t now_us;
	uint64_t realtime_us;
	struct source_load service[PLAN_SERVICES];
};

/* Once a tick, after engine_step(): bounded upkeep of the table, then cut-offs, source_max,
 * source_share and reserve_256 of each service of the plan. For the writer only. */
void source_plan(struct source_table *table, const struct source_input *input, struct plan *plan);

/* Figures of the whole table, for people. */
struct source_stats {
	uint64_t tracked; /* entries in the ledger, as of the last sweep of it */
	uint64_t capacity; /* entries that it has room for */
	uint64_t deferred; /* deferred, and still retrying */
	uint64_t oldest_s; /* the longest of their waits; 0: no source waits */
	uint64_t evicted; /* entries displaced because there was no room */
	uint64_t noted, forgotten; /* events taken; events refused as malformed */
	double active; /* groups that connected in the last minute or so */
	/* service seconds a second that each source may have; < 0: no bound now */
	double fair_rate;
	double session_cost_s; /* service seconds of a session */
	double offered_per_s, promised_per_s, new_per_s; /* arrivals, by band */
	double credits_per_s; /* what all services together can take; < 0: no bound now */
	uint32_t cutoff[PLAN_BANDS]; /* of the first service */
	/* attempts that the promise covered, and those deferred all the same */
	uint64_t promised, broken;
	bool infeasible; /* the promise cannot be kept now */
	bool day; /* a source has waited for 24 h */
	uint64_t ages[SOURCE_AGES]; /* sources admitted after a wait, by its length */
	double age_sum_s;
	uint64_t age_count;
};
void source_stats(const struct source_table *table, struct source_stats *ret);
/* The upper bound of a class of ages, in seconds. */
uint64_t source_age_upper(unsigned age_class);

/* One source for people. */
struct source_view {
	uint8_t address[16]; /* last seen of the group */
	bool known; /* in the ledger */
	bool deferred;
	bool proven; /* came back properly before */
	bool regular; /* had a session before that did a job */
	char pool[32]; /* empty: it is in no pool */
	/* CLOCK_REALTIME: when its wait began; if it does not wait: when it was first seen */
	uint64_t since_s;
	uint64_t last_s; /* last credited attempt */
	unsigned attempts; /* credited, of this wait */
	uint32_t gap_s; /* its usual time between attempts; 0: not known */
	uint32_t patience_s; /* time after which such sources give up; 0: not known */
	double rate, usual; /* service seconds a second: now, and usually */
	double connections_per_min; /* of the address */
	struct plan_source source; /* rank, band, heavy, now */
	/* CLOCK_REALTIME: the latest time at which the promise takes effect; 0: it does not wait */
	uint64_t promised_before_s;
	/* of the heaviest only, since they are among them */
	uint64_t attempts_total, deferred_total;
};
void source_explain(const struct source_table *table, const uint8_t *address, uint64_t now_us,
		    struct source_view *ret);
/* Seconds from now after which a retry passes the present cut-offs; UINT32_MAX: not within a
 * week. */
uint32_t source_admitted_in_s(const struct source_table *table, const uint8_t *address,
			      const struct plan *plan, unsigned service, uint64_t now_us);
enum source_sort { SOURCE_BY_RATE, SOURCE_BY_AGE, SOURCE_BY_ATTEMPTS };
/* The first `most` sources in that order, of those known by name. Returns how many. */
unsigned source_list(const struct source_table *table, enum source_sort sort, uint64_t now_us,
		     struct source_view *ret, unsigned most);

/* An address that brings most of the connections, and that many clients may share. */
struct source_shared {
	bool known; /* there is one */
	bool is_private; /* RFC 1918, 4193, 6598, loopback, link-local */
	uint8_t address[16];
	/* of all connections of the last minute, 0..1; connections of trusted sources are in
	 * neither */
	double share;
	double per_min; /* connections */
};
/* Looks at all sources known by name: once a second is enough. */
void source_shared(const struct source_table *table, struct source_shared *ret);

/* What was learned of the patience of senders, as plain data for the state directory: sources that
 * gave up, by retry interval and by age of their last attempt. Older ones have faded. */
struct source_learned {
	float gone[SOURCE_GAPS][SOURCE_AGES];
};
void source_save(const struct source_table *table, struct source_learned *ret_learned);
/* For a table that has just been made; its ledger may be loaded already. Figures that make no sense
 * are ignored. */
void source_restore(struct source_table *table, const struct source_learned *learned);

/* ---- for a fleet: what other hosts know (core/fleet.h) */
struct fleet_record;
struct fleet_seen;
struct siphash_key;
/* From now on the ledger is keyed by keyed hashes of the groups, so that a hash is enough to find
 * an entry; NULL: by the groups. Entries under the other keys are no longer found. */
void source_hide(struct source_table *table, const struct siphash_key *key);
/* The key of an address between hosts: its group, or the keyed hash of it; for a pool it is made
 * from its name. Never 0. */
uint64_t source_fleet_key(const struct source_table *table, const uint8_t *address);
/* What the ledger knows now of the source with that key. False: it has no entry. */
bool source_seen(const struct source_table *table, uint64_t key, uint64_t now_us,
		 struct fleet_seen *ret);
/* Puts a merged record into the ledger. For the writer only. False: nothing changed, because the
 * record is not new, this host has no such pool, or only a more valuable entry could make room. */
bool source_join(struct source_table *table, const struct fleet_record *record, uint64_t now_us);

/* The ledger as it is stored on disk: blocks of SOURCE_BLOCK bytes. */
#define SOURCE_BLOCK 4096u
unsigned source_blocks(const struct source_table *table);
const void *source_block(const struct source_table *table, unsigned block);
/* Puts a block from disk into the table. Entries that are from the future or make no sense are left
 * out. Returns the number of entries taken. */
unsigned source_block_load(struct source_table *table, unsigned block, const void *bytes,
			   uint64_t realtime_us);
/* Clears the mark that a block was written to, and returns it. Safe beside the writer. */
bool source_block_take(struct source_table *table, unsigned block);
/* Sets the mark again, because the block could not be stored. */
void source_block_mark(struct source_table *table, unsigned block);
/* Number of blocks of a table of this configuration. */
unsigned source_config_blocks(const struct source_config *config);
/* The keys with which the blocks were made. */
void source_seed(const struct source_table *table, uint64_t ret_seed[2]);

#endif
