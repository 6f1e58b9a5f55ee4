/* The heaviest sources by name, how many sources there are, and from both the fair rate.
 *
 * SpaceSaving: as many counters as fit, in a heap with the smallest on top. A source without a
 * counter takes over the smallest one, and its count as error. Counts are of what was *asked for*
 * (including deferred attempts), and fade with the epoch. If each source got the smaller of its
 * demand and the fair rate, the sum would be the capacity. */
#include <math.h>
#include <string.h>

#include "core/smooth.h"
#include "core/source_parts.h"

#define DECAY_US 1000000u
#define EPOCH_S ((float)RATE_EPOCH_S)
#define FILL_STEPS 2 /* every second tick, because it goes over all sources known by name */
#define FILL_ROUNDS 8 /* at most; it stops when the level moves by less than FILL_NEAR */
#define FILL_NEAR 0.01f

static uint32_t slot_of(const struct source_table *t, uint64_t group)
{
	const uint64_t input[2] = { group, 4 };

	return (uint32_t)XXH3_64bits_withSeed(input, sizeof(input), t->seed[0]) & (TOP_INDEX - 1);
}

static int32_t find_top(const struct source_table *t, uint64_t group)
{
	uint32_t slot = slot_of(t, group);

	for (uint32_t n = 0; n < TOP_INDEX; n++, slot = (slot + 1) & (TOP_INDEX - 1)) {
		uint32_t at = t->top_index[slot];

		if (at == 0 || at > SOURCE_TOP)
			return -1;
		if (t->top[at - 1].group == group)
			return (int32_t)at - 1;
	}
	return -1;
}

const struct source_top *top_find(const struct source_table *t, uint64_t group)
{
	int32_t at = find_top(t, group);

	return at < 0 ? NULL : &t->top[at];
}

/* Linear probing leaves no gaps: entries after a freed slot move up where they may. */
static void index_remove(struct source_table *t, uint32_t slot)
{
	uint32_t hole = slot;

	t->top_index[hole] = 0;
	for (uint32_t at = (hole + 1) & (TOP_INDEX - 1); t->top_index[at];
	     at = (at + 1) & (TOP_INDEX - 1)) {
		uint32_t home = slot_of(t, t->top[t->top_index[at] - 1].group);

		if (((at - home) & (TOP_INDEX - 1)) < ((at - hole) & (TOP_INDEX - 1)))
			continue;
		t->top_index[hole] = t->top_index[at];
		t->top[t->top_index[hole] - 1].slot = hole;
		t->top_index[at] = 0;
		hole = at;
	}
}

static void index_add(struct source_table *t, uint32_t at)
{
	uint32_t slot = slot_of(t, t->top[at].group);

	while (t->top_index[slot])
		slot = (slot + 1) & (TOP_INDEX - 1);
	t->top_index[slot] = (uint16_t)(at + 1);
	t->top[at].slot = slot;
}

static void move(struct source_table *t, uint32_t to, const struct source_top *top)
{
	t->top[to] = *top;
	t->top_index[top->slot] = (uint16_t)(to + 1);
}

/* A counter grew: sift it down. */
static void sink(struct source_table *t, uint32_t at)
{
	struct source_top top = t->top[at];

	for (;;) {
		uint32_t child = 2 * at + 1;

		if (child >= t->tops)
			break;
		if (child + 1 < t->tops && t->top[child + 1].charge < t->top[child].charge)
			child++;
		if (t->top[child].charge >= top.charge)
			break;
		move(t, at, &t->top[child]);
		at = child;
	}
	move(t, at, &top);
}

/* A new counter: sift it up. */
static void rise(struct source_table *t, uint32_t at)
{
	struct source_top top = t->top[at];

	while (at > 0) {
		uint32_t parent = (at - 1) / 2;

		if (t->top[parent].charge <= top.charge)
			break;
		move(t, at, &t->top[parent]);
		at = parent;
	}
	move(t, at, &top);
}

void top_add(struct source_table *t, const uint8_t *address, uint64_t group, float units,
	     bool deferred, uint32_t count)
{
	int32_t found = find_top(t, group);
	uint32_t at;

	t->demand_units += units;
	t->recent_units += units;
	if (found >= 0) {
		at = (uint32_t)found;
	} else if (t->tops < SOURCE_TOP) {
		at = t->tops++;
		memset(&t->top[at], 0, sizeof(t->top[at]));
		t->top[at].group = group;
		index_add(t, at);
	} else {
		float least = t->top[0].charge;

		at = 0;
		index_remove(t, t->top[0].slot);
		memset(&t->top[0], 0, sizeof(t->top[0]));
		t->top[0].group = group;
		t->top[0].charge = t->top[0].error = least;
		index_add(t, 0);
	}
	memcpy(t->top[at].address, address, 16);
	t->top[at].charge += units;
	t->top[at].recent += units;
	if (count) {
		t->top[at].attempts += count;
		t->top[at].deferred += deferred ? count : 0;
	}
	if (found < 0 && at)
		rise(t, at);
	else
		sink(t, at);
}

/* ---- how many sources ----------------------------------------------------------------------- */

void hll_add(struct source_table *t, uint64_t group)
{
	const uint64_t input[2] = { group, 5 };
	uint64_t h = XXH3_64bits_withSeed(input, sizeof(input), t->seed[1]);
	uint8_t *r = &t->hll[t->hll_now & 1][h & (HLL_REGISTERS - 1)];
	uint8_t rank = (uint8_t)(__builtin_clzll(h | HLL_REGISTERS) + 1);

	if (rank > *r)
		*r = rank;
}

static float hll_estimate(const struct source_table *t)
{
	double sum = 0, m = HLL_REGISTERS;
	unsigned zeros = 0;

	for (unsigned i = 0; i < HLL_REGISTERS; i++) {
		uint8_t rank = t->hll[0][i] > t->hll[1][i] ? t->hll[0][i] : t->hll[1][i];

		zeros += rank == 0;
		sum += 1.0 / (double)(UINT64_C(1) << (rank < 60 ? rank : 60));
	}
	if (zeros && 0.7213 / (1 + 1.079 / m) * m * m / sum <= 2.5 * m)
		return (float)(m * log(m / zeros));
	return (float)(0.7213 / (1 + 1.079 / m) * m * m / sum);
}

/* ---- the fair rate -------------------------------------------------------------------------- */

/* Water-filling. The level is the charge a minute at which `share` of what arrives passes, if each
 * source may pass the smaller of its charge and the level. While the last seconds exceed that, they
 * stand for what arrives: at an onset the minute knows only the sources from before, and these
 * would have to give way. Newton's method on a concave function, from the level of the last tick:
 * the first step is too low, and each further one is closer. */
static float fill(const struct source_table *t, float share, bool recent)
{
	float level = fmaxf(t->fair_units, 0);

	for (int n = 0; n < FILL_ROUNDS; n++) {
		float all = recent ? t->recent_units : t->demand_units, before = level;
		float small = 0, slope = 0, named = 0, arrived = 0, rest, rests;

		for (unsigned i = 0; i < t->tops; i++) {
			float sure = t->top[i].charge - t->top[i].error;
			float w = recent ? t->top[i].recent : sure;

			named += sure;
			arrived += w;
			if (sure <= level)
				small += w;
			else
				slope += w / sure;
		}
		/* The sources that are not known by name are taken to be alike. */
		rests = fmaxf(1, t->active - (float)t->tops);
		rest = fmaxf(0, t->demand_units - named) / rests;
		if (rest <= level)
			small += fmaxf(0, all - arrived);
		else
			slope += fmaxf(0, all - arrived) / rest;
		if (slope <= 0)
			break; /* all pass at this level */
		level = fmaxf(0, (share * all - small) / slope);
		if (fabsf(level - before) <= FILL_NEAR * before)
			break;
	}
	return level;
}

/* The part of what arrives that comes from sources unusual by the present fair rate. */
static float unusual_share(const struct source_table *t, uint64_t now_us)
{
	float unusual = 0;

	for (unsigned i = 0; i < t->tops; i++) {
		const struct source_top *top = &t->top[i];
		struct plan_source source;

		if (top->charge - top->error < t->fair_units)
			continue;
		source_lookup(t, top->address, now_us, &source);
		if (source.heavy)
			unusual += top->recent;
	}
	return t->recent_units > 0 ? fminf(unusual / t->recent_units, 1) : 0;
}

static void set_fair(struct source_table *t, float units, uint64_t now_us)
{
	int32_t eighths = NONE_LOG;
	bool begins = t->fair_log == NONE_LOG && units >= 0;

	if (units >= 0) {
		/* Each source may have one session; below that the sketch cannot distinguish
		 * sources. */
		units = fmaxf(units, 1 + (float)FAIR_SESSIONS * t->cost_us / (float)t->unit_us);
		eighths = (int32_t)floor(8 * 1.4426950408889634 * log((double)units));
	}
	t->fair_units = units;
	__atomic_store_n(&t->fair_log, eighths, __ATOMIC_RELAXED);
	/* Rates count from now on, so the ranks noted before no longer hold. */
	if (begins)
		cutoff_forget(t, unusual_share(t, now_us));
}

static void decay(struct source_table *t, float keep)
{
	for (unsigned i = 0; i < t->tops; i++) {
		t->top[i].charge = fade_float(t->top[i].charge, keep);
		t->top[i].error = fade_float(t->top[i].error, keep);
	}
	t->demand_units *= keep;
	t->promised_lately *= keep;
	t->broken_lately *= keep;
}

static void decay_recent(struct source_table *t, float keep)
{
	for (unsigned i = 0; i < t->tops; i++)
		t->top[i].recent = fade_float(t->top[i].recent, keep);
	t->recent_units *= keep;
}

void top_step(struct source_table *t, const struct source_input *in, double dt_s)
{
	float capacity = 0, credits = 0, offered = 0;
	bool known = false;

	decay_recent(t, (float)exp(-dt_s / ARRIVALS_TAU_S));
	if (in->now_us - t->decayed_us >= DECAY_US || in->now_us < t->decayed_us) {
		if (t->decayed_us && in->now_us > t->decayed_us)
			decay(t, (float)exp(-(double)(in->now_us - t->decayed_us) / 1e6 / EPOCH_S));
		t->decayed_us = in->now_us;
		t->active = hll_estimate(t);
	}
	if (in->now_us - t->hll_us >= RATE_EPOCH_US) {
		t->hll_us = in->now_us;
		t->hll_now ^= 1;
		memset(t->hll[t->hll_now & 1], 0, sizeof(t->hll[0]));
	}
	for (unsigned i = 0; i < PLAN_SERVICES; i++) {
		if (t->arrivals[i].credits <= 0)
			continue;
		known = true;
		credits += t->arrivals[i].credits;
		offered += t->arrivals[i].heavy;
		for (int b = 0; b < PLAN_BANDS; b++)
			offered += t->arrivals[i].rate[b];
	}
	shared_step(t, in->now_us);
	if (t->steps++ % FILL_STEPS)
		return;
	capacity = credits * t->cost_us / (float)t->unit_us * EPOCH_S;
	if (known && offered > credits)
		set_fair(t, fill(t, credits / offered, true), in->now_us);
	else if (known && t->demand_units > capacity)
		set_fair(t, fill(t, capacity / t->demand_units, false), in->now_us);
	else
		set_fair(t, -1, in->now_us);
}
