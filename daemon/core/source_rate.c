/* What each source takes: a count-min sketch with conservative update over a sliding window.
 *
 * A cell is two 16-bit counts, of the epoch that runs and of the one before. Epochs do not end for all cells at once: a sweep
 * goes round the columns once an epoch and turns each over in passing, so that no tick has more to do than another. What a
 * cell held before counts in proportion to what is left of it in the window. */
#include "core/source_parts.h"

#define SWEEP_MOST 32768u /* columns a tick */
#define STRETCHES 64u

static uint32_t *cells(const struct source_table *t)
{
	return (uint32_t *)((char *)(uintptr_t)t + t->rate_at);
}

/* The four cells of a key lie in one stretch of the columns: the sweep turns them over at nearly the same time, else the least
 * of them would be the one that was turned over longest ago. */
struct rate_place rate_place(const struct source_table *t, uint64_t key, uint64_t domain)
{
	const uint64_t input[2] = { key, domain };
	XXH128_hash_t h = XXH3_128bits_withSeed(input, sizeof(input), t->seed[0]);
	uint32_t mask = t->columns / STRETCHES - 1;
	uint32_t from = (uint32_t)(h.high64 >> 58) * (mask + 1);
	const uint32_t hash[RATE_ROWS] = { (uint32_t)h.low64, (uint32_t)(h.low64 >> 32),
					   (uint32_t)h.high64, (uint32_t)(h.high64 >> 28) };
	struct rate_place place;

	for (uint32_t row = 0; row < RATE_ROWS; row++)
		place.cell[row] = row * t->columns + from + (hash[row] & mask);
	return place;
}

void rate_prefetch(const struct source_table *t, const struct rate_place *place)
{
	const uint32_t *cell = cells(t);

	for (int row = 0; row < RATE_ROWS; row++)
		__builtin_prefetch(&cell[place->cell[row]]);
}

static uint32_t units_of(const struct source_table *t, uint32_t cell, uint32_t index)
{
	uint32_t mask = t->columns - 1;
	uint32_t since = ((uint32_t)t->swept - 1 - index) & mask; /* columns turned over after it */
	uint64_t left = t->columns - since;

	return (cell & 0xffff) +
	       (uint32_t)((cell >> 16) * left >> (31 - __builtin_clz(t->columns)));
}

uint32_t rate_get(const struct source_table *t, const struct rate_place *place)
{
	const uint32_t *cell = cells(t);
	uint32_t least = UINT32_MAX;

	for (int row = 0; row < RATE_ROWS; row++) {
		uint32_t i = place->cell[row];
		uint32_t units = units_of(t, __atomic_load_n(&cell[i], __ATOMIC_RELAXED), i);

		if (units < least)
			least = units;
	}
	return least;
}

void rate_add(struct source_table *t, const struct rate_place *place, uint32_t units)
{
	uint32_t *cell = cells(t);
	uint64_t wanted = (uint64_t)rate_get(t, place) + units;

	/* Only what lies under the new estimate is raised: collisions cost less. */
	for (int row = 0; row < RATE_ROWS; row++) {
		uint32_t *c = &cell[place->cell[row]], old = *c;
		uint64_t had = units_of(t, old, place->cell[row]), now = old & 0xffff;

		if (had >= wanted)
			continue;
		now += wanted - had;
		__atomic_store_n(c, (old & 0xffff0000u) | (uint32_t)(now < 0xffff ? now : 0xffff),
				 __ATOMIC_RELAXED);
	}
}

static void turn_over(uint32_t *cell, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		cell[i] <<= 16;
}

void rate_sweep(struct source_table *t, uint64_t now_us)
{
	uint64_t due;
	uint32_t at, first;

	if (t->swept_us == 0 || now_us < t->swept_us) {
		t->swept_us = now_us;
		return;
	}
	due = (now_us - t->swept_us) * t->columns / RATE_EPOCH_US;
	if (due > SWEEP_MOST) { /* the daemon stood still: what is behind stays behind */
		due = SWEEP_MOST < t->columns ? SWEEP_MOST : t->columns;
		t->swept_us = now_us;
	} else {
		t->swept_us += due * RATE_EPOCH_US / t->columns;
	}
	if (due > t->columns)
		due = t->columns;
	at = (uint32_t)t->swept & (t->columns - 1);
	first = (uint32_t)due < t->columns - at ? (uint32_t)due : t->columns - at;
	for (uint32_t row = 0; row < RATE_ROWS; row++) {
		turn_over(cells(t) + (size_t)row * t->columns + at, first);
		turn_over(cells(t) + (size_t)row * t->columns, (uint32_t)due - first);
	}
	t->swept += due;
}
