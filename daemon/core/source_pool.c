/* Which pool an address belongs to, and the keys of a pool in the table. Networks are flattened
 * into ranges once, so that a lookup is one binary search even if networks are nested. */
#include <string.h>

#include "core/source_parts.h"

struct span {
	uint64_t high, low, end_high, end_low;
	uint32_t pool; /* index + 1 */
	uint8_t bits;
};

static uint64_t big_endian(const uint8_t *bytes)
{
	uint64_t x = 0;

	for (int i = 0; i < 8; i++)
		x = x << 8 | bytes[i];
	return x;
}

static struct span span_of(const struct source_network *network)
{
	unsigned bits = network->bits > 128 ? 128 : network->bits;
	uint64_t high_mask = bits >= 64 ? UINT64_MAX : bits ? UINT64_MAX << (64 - bits) : 0;
	uint64_t low_mask = bits <= 64 ? 0 : UINT64_MAX << (128 - bits);
	struct span s = { .high = big_endian(network->address) & high_mask,
			  .low = big_endian(network->address + 8) & low_mask,
			  .pool = network->pool + 1u,
			  .bits = (uint8_t)bits };

	s.end_high = s.high | ~high_mask;
	s.end_low = s.low | ~low_mask;
	return s;
}

static bool before(uint64_t high, uint64_t low, uint64_t than_high, uint64_t than_low)
{
	return high < than_high || (high == than_high && low < than_low);
}

/* By beginning, the wider network first: a network inside another comes after it. */
static void sort_spans(struct span *span, unsigned count)
{
	for (unsigned i = 1; i < count; i++) {
		struct span s = span[i];
		unsigned j = i;

		while (j > 0 && (before(s.high, s.low, span[j - 1].high, span[j - 1].low) ||
				 (s.high == span[j - 1].high && s.low == span[j - 1].low &&
				  s.bits < span[j - 1].bits))) {
			span[j] = span[j - 1];
			j--;
		}
		span[j] = s;
	}
}

static void emit(struct source_table *t, uint64_t high, uint64_t low, uint32_t pool)
{
	struct source_range *last = t->ranges ? &t->range[t->ranges - 1] : NULL;

	if (last && last->high == high && last->low == low) {
		last->pool = pool;
		return;
	}
	t->range[t->ranges++] = (struct source_range){ .high = high, .low = low, .pool = pool };
}

/* The addresses after the end of a network belong to the network around it. */
static void close_span(struct source_table *t, const struct span *inner, const struct span *outer)
{
	uint64_t low = inner->end_low + 1, high = inner->end_high + (low == 0);

	if (high != 0 || low != 0)
		emit(t, high, low, outer ? outer->pool : 0);
}

void pool_ranges(struct source_table *t, const struct source_config *config)
{
	struct span span[SOURCE_NETWORKS];
	const struct span *stack[129]; /* a chain of nested networks is not longer */
	unsigned count = config->networks < SOURCE_NETWORKS ? config->networks : SOURCE_NETWORKS;
	unsigned depth = 0;

	t->ranges = 0;
	emit(t, 0, 0, 0);
	for (unsigned i = 0; i < count; i++)
		span[i] = span_of(&config->network[i]);
	sort_spans(span, count);
	for (unsigned i = 0; i < count; i++) {
		while (depth && before(stack[depth - 1]->end_high, stack[depth - 1]->end_low,
				       span[i].high, span[i].low)) {
			depth--;
			close_span(t, stack[depth], depth ? stack[depth - 1] : NULL);
		}
		if (depth && stack[depth - 1]->bits == span[i].bits)
			depth--; /* the same network again: the last one determines the pool */
		stack[depth++] = &span[i];
		emit(t, span[i].high, span[i].low, span[i].pool);
	}
	while (depth) {
		depth--;
		close_span(t, stack[depth], depth ? stack[depth - 1] : NULL);
	}
}

static uint8_t pool_of(const struct source_table *t, const uint8_t *address)
{
	uint64_t high = big_endian(address), low = big_endian(address + 8);
	uint32_t from = 0, to = t->ranges;

	if (to > 2 * SOURCE_NETWORKS + 1)
		return 0; /* a damaged block */
	while (to - from > 1 && from < to) {
		uint32_t middle = (from + to) / 2;

		if (before(high, low, t->range[middle].high, t->range[middle].low))
			to = middle;
		else
			from = middle;
	}
	return to > 0 && t->range[from].pool <= SOURCE_POOLS ? (uint8_t)t->range[from].pool : 0;
}

void source_keys(const struct source_table *t, const uint8_t *address, struct source_keys *ret)
{
	uint64_t high = big_endian(address), low = big_endian(address + 8);
	bool is_v4 = high == 0 && low >> 32 == 0xffff;

	ret->pool = t->ranges > 1 ? pool_of(t, address) : 0;
	ret->address = is_v4 ? low : high;
	ret->group = ret->pool ? POOL_GROUP | ret->pool : plan_group(address);
	ret->network = ret->pool || is_v4 ? ret->group : high & ~UINT64_C(0xffff);
}
