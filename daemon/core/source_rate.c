/* What each source takes: a count-min sketch with conservative update over a sliding window.
 *
 * It has four rows, two to a cache line, so that a look at a key costs two misses: a line holds
 * eight cells of each of its rows. A cell is two 16-bit counts, for the present epoch and the one
 * before. Epochs do not end for all cells at once. A sweep goes round the lines once an epoch and
 * turns over each line that it passes, so that all ticks have the same work. The earlier count of a
 * cell is weighted with the part of that epoch which is still in the window. */
#include "core/source_parts.h"

#define SWEEP_MAX 4096u /* lines a tick */
#define STRETCHES 64u
#define LINE_CELLS 16u

static uint32_t *cells(const struct source_table *t)
{
	return (uint32_t *)((char *)(uintptr_t)t + t->rate_at);
}

/* The two lines of a key lie in the same stretch of their halves, so that the sweep turns them over
 * at nearly the same time. Otherwise the smallest cell would be the one that was turned over
 * longest ago. */
struct rate_place rate_place(const struct source_table *t, uint64_t key, uint64_t domain)
{
	const uint64_t input[2] = { key, domain };
	XXH128_hash_t h = XXH3_128bits_withSeed(input, sizeof(input), t->seed[0]);
	uint32_t mask = t->lines / STRETCHES - 1;
	uint32_t from = (uint32_t)(h.high64 >> 58) * (mask + 1);
	uint32_t first = from + ((uint32_t)h.low64 & mask);
	uint32_t second = t->lines + from + ((uint32_t)(h.low64 >> 32) & mask);

	return (struct rate_place){ { first * LINE_CELLS + (h.high64 & 7),
				      first * LINE_CELLS + 8 + (h.high64 >> 3 & 7),
				      second * LINE_CELLS + (h.high64 >> 6 & 7),
				      second * LINE_CELLS + 8 + (h.high64 >> 9 & 7) } };
}

void rate_prefetch(const struct source_table *t, const struct rate_place *place)
{
	__builtin_prefetch(&cells(t)[place->cell[0]]);
	__builtin_prefetch(&cells(t)[place->cell[2]]);
}

static uint32_t units_of(const struct source_table *t, uint32_t cell, uint32_t index)
{
	uint32_t line = index / LINE_CELLS; /* the sweep is at the same line of both halves */
	uint32_t since =
		((uint32_t)t->swept - 1 - line) & (t->lines - 1); /* lines turned over after it */
	uint64_t left = t->lines - since;

	return (cell & 0xffff) + (uint32_t)((cell >> 16) * left >> (31 - __builtin_clz(t->lines)));
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

	/* Raise only the cells below the new estimate, so that collisions cost less. */
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

/* Most lines are empty most of the time, and are not written: a write makes a page of a mapped file
 * dirty. If the file system then wants to know of it, that costs more than the rest of the
 * sweep. */
static void turn_over(struct source_table *t, uint32_t line, uint32_t count)
{
	for (uint32_t half = 0; half < 2; half++) {
		uint32_t *cell = cells(t) + ((size_t)half * t->lines + line) * LINE_CELLS;

		for (uint32_t n = 0; n < count; n++, cell += LINE_CELLS) {
			uint32_t any = 0;

			for (uint32_t i = 0; i < LINE_CELLS; i++)
				any |= cell[i];
			for (uint32_t i = 0; any && i < LINE_CELLS; i++)
				cell[i] <<= 16;
		}
	}
}

void rate_sweep(struct source_table *t, uint64_t now_us)
{
	uint64_t due;
	uint32_t at, first;

	if (t->swept_us == 0 || now_us < t->swept_us) {
		t->swept_us = now_us;
		return;
	}
	due = (now_us - t->swept_us) * t->lines / RATE_EPOCH_US;
	if (due > SWEEP_MAX) { /* the daemon stood still: lines that are overdue by more stay so */
		due = SWEEP_MAX;
		t->swept_us = now_us;
	} else {
		t->swept_us += due * RATE_EPOCH_US / t->lines;
	}
	if (due > t->lines)
		due = t->lines;
	at = (uint32_t)t->swept & (t->lines - 1);
	first = (uint32_t)due < t->lines - at ? (uint32_t)due : t->lines - at;
	turn_over(t, at, first);
	turn_over(t, 0, (uint32_t)due - first);
	t->swept += due;
}
