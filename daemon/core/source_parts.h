/* The inside of the table of sources. Its files: source.c (life, lookup), source_note.c (events),
 * source_rate.c (sketch), source_ledger.c (which sources wait), source_patience.c (for how long
 * they try), source_score.c (rank), source_top.c (the heaviest, fair rate), source_cutoff.c (what
 * passes), source_pool.c (networks), source_key.c (keys in the ledger and in a fleet),
 * source_join.c (what other hosts know), source_shared.c (an address that stands for many),
 * source_show.c (for people), source_step.c (one tick). For these files only. */
#ifndef PENSTOCK_CORE_SOURCE_PARTS_H
#define PENSTOCK_CORE_SOURCE_PARTS_H

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "core/law.h"
#include "core/siphash.h"
#include "core/source.h"

#define RATE_ROWS 4
#define RATE_EPOCH_S 60u
#define RATE_EPOCH_US (RATE_EPOCH_S * UINT64_C(1000000))
#define SET_ENTRIES 4
#define HLL_REGISTERS 1024
#define LEDGER_PREFIXES 1024
#define TOP_INDEX 4096
/* of charge, for one core: 16 bits of it are 17 seconds of service a second */
#define UNIT_US 15625u
#define NONE_LOG INT32_MAX /* no fair rate: there is no bound */
#define RATE_FULL 0x8000u /* eight times what the server has; a cell counts to twice of it */
#define ARRIVALS_TRIFLE 1e-6f /* what faded to less is nothing */
#define SCORE_TIES 65535 /* plan_score() has a tie-break below the rank */
#define RESERVE_ONE 256 /* of plan_service.reserve_256: all of a limit */
/* Bounds of what an event says. */
#define EVENTS_MAX 1000000u /* in one */
#define COST_MIN_US 100
#define COST_MAX_US 600e6f
#define EVENTS_AHEAD 8u /* events whose memory is prefetched together */
/* Upkeep of the ledger: all of it in a minute, and at most so many sets in a tick. Sixteen million
 * entries take a quarter of an hour. */
#define SWEEP_TICKS 600
#define SWEEP_SETS 512u
#define INSERTED_S 3600u /* `inserted` is halved so often */
#define CLOCKS_DIFFER_S 3600u /* at most, between what wrote a ledger and this program */
/* The tag of an entry: bits of its hash, and below them enum entry_flags. */
#define TAG_SHIFT 8
#define TAG_MASK 0xffffff00u
#define TAG_FLAGS 0xffu
#define TAG_UNUSED 0xf0u
#define GAP_UNIT_S 4u /* of source_entry.gap */
/* The group of pool n is POOL_GROUP | n: no network of the Internet begins with 0:fffe. */
#define POOL_GROUP UINT64_C(0x0000fffe00000000)

enum entry_flags {
	ENTRY_DEFERRED = 1, /* deferred since its last admission */
	ENTRY_KNOWN = 2, /* had a session that did a job */
	ENTRY_RETRIED = 4, /* came back properly after a deferral */
	ENTRY_LATE = 8, /* was admitted and then refused late: owed an admission */
};

/* 16 bytes, four to a cache line. All zero: free. */
struct source_entry {
	uint32_t tag; /* 24 bits of the hash, never 0; below them enum entry_flags */
	/* CLOCK_REALTIME s: when its wait began; if it does not wait, when it was first seen */
	uint32_t first;
	uint32_t last; /* last credited attempt; if it is served, the last minute with a session */
	uint8_t tries; /* credited attempts of this wait */
	/* what it usually takes in an epoch: 8 log2 of the units, 0: nothing */
	uint8_t usual;
	/* smoothed time between credited attempts, in GAP_UNIT_S; 0: not known */
	uint16_t gap;
};

struct source_keys {
	uint64_t group, network, address;
	uint8_t pool; /* index + 1; 0: none */
};

struct ledger_place {
	uint32_t prefix; /* its wide network, an index into `inserted` */
	uint32_t tag; /* shifted, without flags */
	uint32_t set[2];
};

/* The heaviest sources by name: a heap of SpaceSaving counters, the smallest on top. */
struct source_top {
	uint64_t group;
	uint8_t address[16];
	uint64_t attempts, deferred;
	/* units asked for, fading; error: taken over from the counter's previous source */
	float charge, error;
	float recent; /* the same, of the last seconds */
	uint32_t slot; /* in the index */
};

/* A waiting source by name. One slot for each hash: the longer wait keeps it. */
struct source_waiter {
	uint64_t group;
	uint8_t address[16];
	uint32_t since, last; /* s; last == 0: free */
};

/* The addresses from here to the next range belong to a pool; IPv6 order, IPv4 as mapped. */
struct source_range {
	uint64_t high, low;
	uint32_t pool; /* index + 1; 0: none */
	uint32_t spare;
};

/* What arrived for one service, fading: [band][bin] counts, and the rates. */
struct source_arrivals {
	float bin[PLAN_BANDS][SOURCE_BINS];
	float total[PLAN_BANDS];
	float tick[PLAN_BANDS]; /* since the last step */
	float rate[PLAN_BANDS]; /* a second */
	float exempt_tick, exempt; /* admitted without a cut-off: trusted */
	/* refused because of their rate or volume: no cut-off is made for them */
	float heavy_tick, heavy;
	/* of sources that come first: neither unusual nor below a cut-off */
	float first_tick, first;
	float crowded_tick, crowded; /* of these, connections that found no place */
	float reserve; /* share of each limit that is kept for them */
	uint32_t cutoff[PLAN_BANDS]; /* of the last plan */
	float credits;
	uint32_t used; /* a connection ever arrived */
	/* factor on the credits, so that the window stays full; 0 means 1 */
	float gain;
};

struct source_patience {
	float gone[SOURCE_AGES]; /* sources that gave up, by age of their last attempt; fading */
};

struct source_table {
	uint32_t magic, version;
	uint64_t size;
	uint64_t seed[2];
	/* Layout: offsets in the block. */
	uint64_t rate_at, ledger_at, marks_at;
	uint32_t lines; /* of the sketch, in each of its two halves */
	uint32_t sets, blocks;
	uint32_t unit_us;
	/* Configuration. */
	uint32_t longest_deferral_s, longest_attempts, proper_s, rate_max, sessions_max;
	uint32_t spare_config;
	uint32_t pools, ranges;
	struct source_pool pool[SOURCE_POOLS];
	struct source_range range[2 * SOURCE_NETWORKS + 1];
	/* Time. */
	uint64_t stepped_us;
	int64_t wall_offset_us; /* CLOCK_REALTIME minus CLOCK_MONOTONIC */
	/* Sketch upkeep. */
	uint64_t swept; /* lines swept since the start */
	uint64_t swept_us;
	/* Fair rate. */
	int32_t fair_log; /* 8 log2 of the units an epoch; NONE_LOG: no bound */
	float fair_units; /* the same; < 0: no bound */
	uint64_t connections[2]; /* of all sources: in the present minute, and in the one before */
	uint64_t connections_us; /* when the present minute began */
	float demand_units, recent_units; /* of all sources, fading like those of the tops */
	float cost_us; /* of a session */
	uint64_t random;
	uint64_t decayed_us;
	uint8_t hll[2][HLL_REGISTERS];
	uint32_t hll_now, steps;
	uint64_t hll_us;
	float active;
	/* Promise. */
	float promised_lately, broken_lately; /* smoothed */
	uint64_t promised, broken;
	/* Learned patience, by retry interval. */
	struct source_patience patience[SOURCE_GAPS];
	uint32_t patience_s[SOURCE_GAPS];
	/* Sweep of the ledger. */
	uint32_t sweep_set;
	uint64_t tracked, deferred; /* counted with each change of an entry */
	/* in the present sweep so far; in the last complete one */
	uint64_t sweep_oldest, swept_oldest;
	uint64_t named_oldest; /* among those known by name */
	uint64_t evicted, noted, forgotten;
	/* entries made by a wide network, halved once an hour */
	uint32_t inserted[LEDGER_PREFIXES];
	uint64_t halved_s;
	uint64_t ages[SOURCE_AGES];
	double age_sum_s;
	uint64_t age_count;
	uint32_t cutoff[PLAN_BANDS]; /* of the first service */
	uint64_t salt; /* of the last plan */
	uint32_t tops;
	struct source_arrivals arrivals[PLAN_SERVICES];
	uint16_t top_index[TOP_INDEX]; /* position in the heap + 1; 0: free */
	struct source_top top[SOURCE_TOP];
	struct source_waiter waiter[SOURCE_WAITERS];
	/* For a fleet. At the end, since a proxy of the version before maps this block, too. */
	uint32_t hidden, spare_fleet; /* hidden: the ledger is keyed by keyed hashes */
	struct siphash_key hide_key;
};

/* ---- time and figures */
static inline uint32_t source_seconds(const struct source_table *t, uint64_t now_us)
{
	int64_t us = (int64_t)now_us + t->wall_offset_us;

	return us < 0 ? 0 : (uint32_t)((uint64_t)us / 1000000u);
}

/* 8 log2(x), to an eighth; 0 for 0 and 1. */
static inline int32_t log2_8(uint32_t x)
{
	uint32_t power;

	if (x < 2)
		return 0;
	power = 31u - (uint32_t)__builtin_clz(x);
	return (int32_t)(power * 8 +
			 (power >= 3 ? (x >> (power - 3)) & 7 : (x << (3 - power)) & 7));
}

/* ---- source_pool.c */
void pool_ranges(struct source_table *table, const struct source_config *config);
void source_keys(const struct source_table *table, const uint8_t *address, struct source_keys *ret);

/* ---- source_rate.c */
struct rate_place {
	uint32_t cell[RATE_ROWS]; /* index into all cells */
};
/* domains keep the counts of service units and those of connections apart */
#define RATE_NETWORK 1u
#define RATE_ADDRESS 2u
struct rate_place rate_place(const struct source_table *table, uint64_t key, uint64_t domain);
void rate_prefetch(const struct source_table *table, const struct rate_place *place);
/* Units of the last epoch, weighted. */
uint32_t rate_get(const struct source_table *table, const struct rate_place *place);
void rate_add(struct source_table *table, const struct rate_place *place, uint32_t units);
void rate_sweep(struct source_table *table, uint64_t now_us);

/* ---- source_ledger.c */
void ledger_prefetch(const struct source_table *table, const struct ledger_place *place);
/* Copies the entry. False: there is none. */
bool ledger_get(const struct source_table *table, const struct ledger_place *place,
		struct source_entry *ret);
/* Writes the entry back, or puts a new one where that costs least. A new entry is left out if it
 * would cost more than it is worth. */
void ledger_put(struct source_table *table, const struct ledger_place *place,
		const struct source_entry *entry);
bool entry_waits(const struct source_entry *entry, uint32_t now_s);
void ledger_sweep(struct source_table *table, uint32_t now_s);
/* Shifts all times, because the wall clock was set: waits stay as long as they were. */
void ledger_shift(struct source_table *table, int64_t by_s);

/* ---- source_patience.c */
unsigned source_age_class(uint64_t age_s);
unsigned source_gap_class(const struct source_entry *entry);
/* A source gave up: it came back properly at least once, and then no more. */
void patience_learn(struct source_table *table, const struct source_entry *entry);

/* ---- source_key.c */
struct ledger_place ledger_place(const struct source_table *table, uint64_t group);
/* By the key of the ledger; it belongs to no wide network. */
struct ledger_place ledger_place_key(const struct source_table *table, uint64_t key);
/* The key of the ledger: the group, or its keyed hash. */
uint64_t ledger_key(const struct source_table *table, uint64_t group);
/* The group that other hosts call `key`. False: this host has no pool of that name. */
bool ledger_group(const struct source_table *table, uint64_t key, uint64_t *ret_group);

/* ---- source_score.c */
struct source_facts {
	const struct source_entry *entry; /* NULL: none */
	uint8_t pool; /* index + 1 */
	uint32_t units; /* of its network in the last epoch */
	uint32_t connections; /* of its address in the last minute */
};
uint32_t source_patience_s(const struct source_table *table, const struct source_facts *facts);
bool source_promised(const struct source_table *table, const struct source_facts *facts,
		     uint32_t now_s);
/* Fills in rank, band and heavy. */
void source_score(const struct source_table *table, const struct source_facts *facts,
		  uint32_t now_s, struct plan_source *ret);

/* ---- source_top.c */
void top_add(struct source_table *table, const uint8_t *address, uint64_t group, float units,
	     bool deferred, uint32_t count);
/* NULL: it is not among them. */
const struct source_top *top_find(const struct source_table *table, uint64_t group);
void top_step(struct source_table *table, const struct source_input *input, double dt_s);
void hll_add(struct source_table *table, uint64_t group);

/* ---- source_shared.c */
void shared_step(struct source_table *table, uint64_t now_us);

/* ---- source_show.c */
uint32_t waiter_slot(const struct source_table *table, uint64_t group);
bool waiter_waits(const struct source_waiter *waiter, uint32_t now_s);

/* ---- source_cutoff.c */
void cutoff_note(struct source_table *table, unsigned service, const struct plan_source *source,
		 uint32_t count);
/* The ranks of all sources have changed: their shape is counted from here on. `unusual`: the part
 * of what arrived that is refused by now. */
void cutoff_forget(struct source_table *table, float unusual);
void cutoff_exempt(struct source_table *table, unsigned service, uint32_t count);
void cutoff_heavy(struct source_table *table, unsigned service, uint32_t count);
/* A client connected. `found_none`: the window, the ungreeted sessions or the bucket had no
 * place. */
void cutoff_crowded(struct source_table *table, unsigned service, const struct plan_source *source,
		    bool found_none, uint32_t count);
void cutoff_step(struct source_table *table, const struct source_input *input, double dt_s,
		 struct plan *plan);

#endif
