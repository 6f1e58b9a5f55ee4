/* What is remembered about sources, as one flat block of memory.
 *
 * The block holds a rate sketch (the load of each source, and how often each address connects),
 * a ledger (which sources wait, since when, and which came back properly), the heaviest sources
 * by name, and the address ranges of pools. From them source_lookup() makes a rank in O(1);
 * source_plan() makes the cut-offs, so that as many connections pass as there are credits. The
 * block has no pointer in it: the daemon, its single writer, places it in a file, and a front in
 * another process maps that read-only and ranks for itself. A reader may see half of a change,
 * which at worst gives one verdict a wrong rank.
 *
 * Keys. A rate is kept for the address (IPv4 address, IPv6 /64) and for its network (/24, /48), the
 * ledger is keyed by /24 and /64 because retries of one message come from several addresses, and a
 * named pool stands for all of its networks. All hashes are keyed: an outsider cannot aim at a
 * cell.
 *
 * Rank, in units that add up (the table in source_score.c): class + seniority + urgency - 4 log2
 * max(1, rate / fair rate). Only proper retries increase seniority. A source whose promise
 * (objective.longest_deferral and longest_attempts) or whose sender's patience is about to run
 * out is in the promised band.
 *
 * Losing the block, or an entry of it, loses seniority and never mail. Pure: time and events are
 * arguments.
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
#define SOURCE_BINS 1024 /* of rank: rank >> 6 */
#define SOURCE_GAPS 12 /* classes of retry interval, by power of two of 64 s */
#define SOURCE_AGES 32 /* classes of age, two to the power of two from 2 min */
struct source_network {
	uint8_t address[16]; /* IPv4 as mapped */
	uint8_t bits; /* of 128 */
	uint8_t pool; /* index */
};

struct source_pool {
	char name[32];
	uint32_t weight; /* shares of the fair rate that it may have, >= 1 */
	/* after which its senders give up; 0: learned, as of others by their retry interval */
	uint32_t patience_s;
};

struct source_config {
	uint64_t ledger_bytes; /* rounded down to a power of two of 64; at least 64 KiB */
	uint64_t rate_bytes; /* the same; at least 64 KiB */
	double cores; /* that the server has: scales the unit of charge */
	uint32_t longest_deferral_s; /* the promise */
	uint32_t longest_attempts;
	uint32_t proper_s; /* a retry so long after the last credited one is proper, and credited */
	uint32_t rate_max; /* connections a minute from one address; 0: no such limit */
	uint32_t sessions_max; /* at once from one address; 0: no such limit */
	unsigned pools, networks;
	struct source_pool pool[SOURCE_POOLS];
	struct source_network network[SOURCE_NETWORKS]; /* longest prefix wins */
};

struct source_table; /* the block; its inside is in source_parts.h */

/* So many answers of the server make a session that did a job: the greeting, EHLO, the envelope and
 * the end of the message, however they are pipelined. Who only connects, or only says EHLO and
 * QUIT, has fewer. */
#define SOURCE_JOB_TURNS 4

/* What happened, as fronts tell it. 32 bytes, the same in the ring of a proxy. */
enum source_event_kind {
	SOURCE_ATTEMPT, /* a verdict was given */
	SOURCE_LATE, /* admitted before, and then refused late */
	SOURCE_FINISHED, /* an admitted session ended */
	SOURCE_EVENT__COUNT
};

struct source_event {
	uint8_t address[16]; /* IPv4 as mapped */
	uint32_t server_us; /* FINISHED: the server's part of the session */
	uint32_t count; /* so many of the same kind; 0 is 1 */
	uint8_t kind; /* enum source_event_kind */
	uint8_t service;
	uint8_t admitted; /* ATTEMPT */
	uint8_t reason, limit; /* ATTEMPT: of the verdict */
	/* FINISHED: answers of the server, its greeting included; 255: that many or more */
	uint8_t turns;
	uint8_t spare[2];
};

/* A verdict as the table takes it. `address`: 16 bytes, IPv4 as mapped. */
struct source_event source_attempt(const uint8_t *address, unsigned service,
				   struct verdict verdict);

/* Bytes that a block of this configuration wants. */
size_t source_size(const struct source_config *config);
/* Makes an empty table in `block` (aligned to 64, source_size() bytes, any content). `seed` keys
 * the hashes. */
struct source_table *source_init(void *block, const struct source_config *config,
				 const uint64_t seed[2]);
/* Applies those options that a running table can change: limits, the promise, the networks of
 * pools. Sizes stay. */
void source_configure(struct source_table *table, const struct source_config *config);
/* Bytes that it takes. */
size_t source_table_size(const struct source_table *table);
/* A block that another process wrote: the table when it is one of this version that lies within
 * `size` bytes, else NULL. */
const struct source_table *source_check(const void *block, size_t size);

/* O(1), no call out: what is known of an address, for plan_rank(). `now_us` is CLOCK_MONOTONIC, as
 * everywhere. */
void source_lookup(const struct source_table *table, const uint8_t *address, uint64_t now_us,
		   struct plan_source *ret);
/* Processes the events of fronts. Writer only; about a third of a microsecond an event. An event
 * may contain any bytes. */
void sources_note(struct source_table *table, const struct source_event *events, unsigned count,
		  uint64_t now_us);

/* One service as the engine sees it now. */
struct source_load {
	double capacity_per_s; /* sessions a second that it can complete; <= 0: not known */
	double admitted_per_s;
	double in_flight; /* < 0: not known */
	double window; /* < 0: open */
	double most; /* sessions beyond which there is a cliff; < 0: not known */
	bool refusing; /* something was refused lately */
};

struct source_input {
	uint64_t now_us;
	uint64_t realtime_us;
	struct source_load service[PLAN_SERVICES];
};

/* Once a tick, after engine_step(): bounded upkeep of the table, then cut-offs, source_max,
 * source_share and kept of each service of the plan. Writer only. */
void source_plan(struct source_table *table, const struct source_input *input, struct plan *plan);

/* What people may see. */
struct source_stats {
	uint64_t tracked; /* entries in the ledger, as of the last sweep of it */
	uint64_t capacity; /* entries that it has room for */
	uint64_t deferred; /* deferred, and still retrying */
	uint64_t oldest_s; /* the longest of their waits, 0: no source waits */
	uint64_t evicted; /* entries lost to lack of room */
	uint64_t noted, forgotten; /* events taken in; malformed ones */
	double active; /* groups that tried in the last minute or so */
	double fair_rate; /* service seconds a second that a source may have; < 0: no bound now */
	double session_cost_s; /* service seconds of a session */
	double offered_per_s, due_per_s, new_per_s; /* arrivals, by band */
	double credits_per_s; /* that all services together can take; < 0: no bound now */
	uint32_t cutoff[PLAN_BANDS]; /* of the first service */
	uint64_t promised,
		broken; /* attempts that the promise covered, and those deferred all the same */
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
	char pool[32]; /* empty: none */
	uint64_t since_s; /* CLOCK_REALTIME: waiting: since when; else first seen */
	uint64_t last_s; /* last credited attempt */
	unsigned attempts; /* credited, of this wait */
	uint32_t gap_s; /* its usual time between attempts; 0: not known */
	uint32_t patience_s; /* after which its like give up; 0: not known */
	double rate, usual; /* service seconds a second now, and in its own past */
	double connections_per_min; /* of the address */
	struct plan_source source; /* rank, band, heavy, now */
	/* CLOCK_REALTIME: when the promise takes effect at the latest; 0: not waiting */
	uint64_t due_s;
	uint64_t attempts_total,
		deferred_total; /* of the heaviest only, since they are among them */
};
void source_explain(const struct source_table *table, const uint8_t *address, uint64_t now_us,
		    struct source_view *ret);
/* Seconds from now after which a retry passes the cut-offs in force; UINT32_MAX: not within a
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
	/* of all connections of the last minute, 0..1; trusted sources are in neither */
	double share;
	double per_min; /* connections */
};
/* Goes over those known by name: once a second is enough. */
void source_shared(const struct source_table *table, struct source_shared *ret);

/* What was learned of senders' patience, as plain data: for the state directory. Those who gave up,
 * by retry interval and by age of their last attempt, the older ones faded. */
struct source_learned {
	float gone[SOURCE_GAPS][SOURCE_AGES];
};
void source_save(const struct source_table *table, struct source_learned *ret_learned);
/* Into a table that has just been made, whose ledger may be loaded already. Figures that make no
 * sense are ignored. */
void source_restore(struct source_table *table, const struct source_learned *learned);

/* ---- a fleet: what other hosts know (core/fleet.h) */
struct fleet_record;
struct fleet_seen;
struct siphash_key;
/* From here on the ledger is keyed by keyed hashes of the groups, so that a hash is enough to find
 * an entry; NULL: by the groups. What is in the ledger under the other keys is not found any
 * more. */
void source_hide(struct source_table *table, const struct siphash_key *key);
/* What an address is called among hosts: its group, or the keyed hash of it; a pool goes by its
 * name. Never 0. */
uint64_t source_fleet_key(const struct source_table *table, const uint8_t *address);
/* What the ledger says now of the source with that key. False: it is not in it. */
bool source_seen(const struct source_table *table, uint64_t key, uint64_t now_us,
		 struct fleet_seen *ret);
/* Puts a merged record into the ledger. Writer only. False: nothing changed, because the record
 * is not new, there is no such pool here, or only a more valuable entry could make room for it. */
bool source_join(struct source_table *table, const struct fleet_record *record, uint64_t now_us);

/* The ledger as it is kept on disk: blocks of SOURCE_BLOCK bytes. */
#define SOURCE_BLOCK 4096u
unsigned source_blocks(const struct source_table *table);
const void *source_block(const struct source_table *table, unsigned block);
/* Puts a block from disk into the table; entries from the future or without sense are left out.
 * Returns entries taken. */
unsigned source_block_load(struct source_table *table, unsigned block, const void *bytes,
			   uint64_t realtime_us);
/* Takes the mark that a block was written to since it was last taken. Safe beside the writer. */
bool source_block_take(struct source_table *table, unsigned block);
/* Puts the mark back: it could not be written. */
void source_block_mark(struct source_table *table, unsigned block);
/* Blocks that a table of this configuration has. */
unsigned source_config_blocks(const struct source_config *config);
/* The keys that the blocks were made with. */
void source_seed(const struct source_table *table, uint64_t ret_seed[2]);

#endif
