/* The block's layout and life, and the lookup for a verdict. */
#include "core/source.h"

#include <string.h>

#include "core/source_parts.h"

#define BYTES_MIN 65536u
#define BYTES_MAX (UINT64_C(1) << 36)
#define ROUND_UP(x, to) (((x) + (to)-1) / (to) * (to))

static uint64_t power_of_two(uint64_t bytes)
{
	if (bytes < BYTES_MIN)
		bytes = BYTES_MIN;
	if (bytes > BYTES_MAX)
		bytes = BYTES_MAX;
	return UINT64_C(1) << (63 - __builtin_clzll(bytes));
}

/* Order in the block: header, sketch, ledger, marks. */
static void lay_out(struct source_table *t, const struct source_config *config)
{
	uint64_t rate = power_of_two(config->rate_bytes);
	uint64_t ledger = power_of_two(config->ledger_bytes);

	t->lines = (uint32_t)(rate / 128); /* two halves of 64-byte lines */
	t->sets = (uint32_t)(ledger / (SET_ENTRIES * sizeof(struct source_entry)));
	t->blocks = (uint32_t)(ledger / SOURCE_BLOCK);
	t->rate_at = ROUND_UP(sizeof(struct source_table), SOURCE_BLOCK);
	t->ledger_at = ROUND_UP(t->rate_at + rate, SOURCE_BLOCK);
	t->marks_at = t->ledger_at + ledger;
	t->size = ROUND_UP(t->marks_at + t->blocks, SOURCE_BLOCK);
}

size_t source_size(const struct source_config *config)
{
	struct source_table t;

	_Static_assert(sizeof(struct source_entry) == 16, "four to a cache line");
	_Static_assert(sizeof(struct source_event) == 32, "as the ring has it");
	lay_out(&t, config);
	return t.size;
}

unsigned source_config_blocks(const struct source_config *config)
{
	struct source_table t;

	lay_out(&t, config);
	return t.blocks;
}

void source_configure(struct source_table *t, const struct source_config *config)
{
	unsigned unit = (unsigned)(UNIT_US * (config->cores < 1 ? 1 : config->cores));

	t->longest_deferral_s = config->longest_deferral_s;
	t->longest_attempts = config->longest_attempts;
	t->proper_s = config->proper_s;
	t->rate_max = config->rate_max;
	t->sessions_max = config->sessions_max;
	if (t->unit_us == 0)
		t->unit_us = unit; /* the unit stays: the sketch already holds counts in it */
	t->pools = config->pools < SOURCE_POOLS ? config->pools : SOURCE_POOLS;
	memcpy(t->pool, config->pool, sizeof(t->pool));
	pool_ranges(t, config);
}

struct source_table *source_init(void *block, const struct source_config *config,
				 const uint64_t seed[2])
{
	struct source_table *t = block;

	memset(block, 0, source_size(config));
	lay_out(t, config);
	t->seed[0] = seed[0];
	t->seed[1] = seed[1];
	t->random = seed[0] ^ seed[1];
	t->fair_log = NONE_LOG;
	t->fair_units = -1;
	t->cost_us = (float)(US_IN_S * COST_GUESS_S);
	source_configure(t, config);
	t->version = SOURCE_VERSION;
	t->magic = SOURCE_MAGIC;
	return t;
}

static bool is_power_of_two(uint32_t x)
{
	return x && !(x & (x - 1));
}

const struct source_table *source_check(const void *block, size_t size)
{
	const struct source_table *t = block;

	if (size < sizeof(*t) || t->magic != SOURCE_MAGIC || t->version != SOURCE_VERSION ||
	    t->size > size || !is_power_of_two(t->lines) || t->lines < 64 ||
	    !is_power_of_two(t->sets) ||
	    t->blocks !=
		    (uint64_t)t->sets * SET_ENTRIES * sizeof(struct source_entry) / SOURCE_BLOCK)
		return NULL;
	if (t->rate_at < sizeof(*t) || t->rate_at % 64 || t->ledger_at % 64 ||
	    t->rate_at > t->ledger_at || t->ledger_at > t->marks_at || t->marks_at > t->size ||
	    t->ledger_at - t->rate_at < (uint64_t)t->lines * 128 ||
	    t->marks_at - t->ledger_at < (uint64_t)t->blocks * SOURCE_BLOCK ||
	    t->size - t->marks_at < t->blocks)
		return NULL;
	if (t->ranges > 2 * SOURCE_NETWORKS + 1 || t->pools > SOURCE_POOLS || t->unit_us == 0)
		return NULL;
	return t;
}

size_t source_table_size(const struct source_table *t)
{
	return (size_t)t->size;
}

void source_seed(const struct source_table *t, uint64_t ret_seed[2])
{
	ret_seed[0] = t->seed[0];
	ret_seed[1] = t->seed[1];
}

void source_lookup(const struct source_table *t, const uint8_t *address, uint64_t now_us,
		   struct plan_source *ret)
{
	struct source_facts facts = { 0 };
	struct source_keys keys;
	struct source_entry entry;
	struct ledger_place ledger;
	struct rate_place network, one;

	/* The lookup reads from several places in memory: prefetch them all before using any. */
	source_keys(t, address, &keys);
	ledger = ledger_place(t, keys.group);
	ledger_prefetch(t, &ledger);
	network = rate_place(t, keys.network, RATE_NETWORK);
	rate_prefetch(t, &network);
	if (t->rate_max) {
		one = rate_place(t, keys.address, RATE_ADDRESS);
		rate_prefetch(t, &one);
		facts.connections = rate_get(t, &one);
	}
	if (ledger_get(t, &ledger, &entry))
		facts.entry = &entry;
	facts.pool = keys.pool;
	facts.units = rate_get(t, &network);
	memset(ret, 0, sizeof(*ret));
	ret->group = keys.group;
	source_score(t, &facts, source_seconds(t, now_us), ret);
}
