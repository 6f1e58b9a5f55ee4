/* The table of sources: what outlives a restart, what is forgotten when it is full, and what it
 * does with nonsense. */
#include "base/array.h"
#include "source_world.h"

static void blocks_go_out_and_come_back(void **state)
{
	struct world w, fresh;
	unsigned taken = 0, dirty = 0;
	uint8_t junk[SOURCE_BLOCK];

	begin(&w);
	begin(&fresh);
	step(&w, SECOND);
	step(&fresh, SECOND);
	for (uint32_t k = 0; k < 2000; k++)
		note(&w, 0x0a000000 + k * 256, k % 2);
	for (unsigned b = 0; b < source_blocks(w.table); b++) {
		dirty += source_block_take(w.table, b);
		assert_false(source_block_take(w.table, b));
		taken += source_block_load(fresh.table, b, source_block(w.table, b),
					   w.input.realtime_us);
	}
	assert_int_equal(taken, 2000);
	assert_true(dirty > 0);
	for (uint32_t k = 0; k < 2000; k++)
		assert_int_equal(view_of(&fresh, 0x0a000000 + k * 256).deferred, k % 2 == 0);
	memset(junk, 0xff, sizeof(junk));
	assert_int_equal(source_block_load(fresh.table, 0, junk, w.input.realtime_us), 0);
	assert_int_equal(source_block_load(fresh.table, 1u << 30, junk, w.input.realtime_us), 0);
	end(&w);
	end(&fresh);
}

/* A restart finds the clock a little behind where it was: what was written then is taken. */
static void a_clock_that_lags_behind_the_file_is_forgiven(void **state)
{
	static const struct {
		int64_t by_s;
		unsigned taken;
	} cases[] = { { 0, 100 },     { -1, 100 },	   { -3000, 100 },   { -4000, 0 },
		      { 86400, 100 }, { 29 * 86400, 100 }, { 31 * 86400, 0 } };
	struct world w;

	begin(&w);
	step(&w, SECOND);
	for (uint32_t k = 0; k < 100; k++)
		note(&w, 0x0a000000 + k * 256, k % 2);
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct world fresh;
		unsigned taken = 0;

		begin(&fresh);
		for (unsigned b = 0; b < source_blocks(w.table); b++)
			taken += source_block_load(
				fresh.table, b, source_block(w.table, b),
				w.input.realtime_us + (uint64_t)(cases[i].by_s * (int64_t)SECOND));
		assert_int_equal(taken, cases[i].taken);
		end(&fresh);
	}
	end(&w);
}

/* The wall clock is set back or forward: who waits keeps its age and its attempts, and the promise
 * holds. */
static void a_wall_clock_that_is_set_changes_no_wait(void **state)
{
	static const int64_t by_s[] = { -86400, 86400, -1800, 10 };

	for (unsigned i = 0; i < ARRAY_SIZE(by_s); i++) {
		struct world w;
		struct source_view before, after;
		struct source_stats s;

		begin(&w);
		step(&w, SECOND);
		note(&w, 0x0a000001, false);
		pass(&w, 300);
		note(&w, 0x0a000001, false);
		before = view_of(&w, 0x0a000001);
		assert_true(before.deferred);
		w.wall_us = by_s[i] * (int64_t)SECOND;
		step(&w, SECOND);
		after = view_of(&w, 0x0a000001);
		assert_true(after.deferred);
		assert_int_equal(after.since_s, (int64_t)before.since_s + by_s[i]);
		pass(&w, 300);
		note(&w, 0x0a000001, false); /* a third that is as proper as the ones before */
		after = view_of(&w, 0x0a000001);
		assert_int_equal(after.attempts, before.attempts + 1);
		source_stats(w.table, &s);
		assert_in_range(s.oldest_s, 590, 620);
		end(&w);
	}
}

/* A full ledger: unknown sources that ask once do not displace those that came back, or are
 * known. */
static void a_full_ledger_forgets_the_least(void **state)
{
	struct world w;
	struct source_stats s;
	unsigned deferred = 0, regular = 0;

	begin(&w);
	step(&w, SECOND);
	for (uint32_t k = 0; k < 10000; k++) {
		note(&w, 0x0a000000 + k * 256, false);
		note(&w, 0x10000000 + k * 256, true);
	}
	pass(&w, 130);
	for (uint32_t k = 0; k < 10000; k++)
		note(&w, 0x0a000000 + k * 256, false);
	for (uint32_t k = 0; k < 300000; k++)
		note(&w, 0x20000000 + k * 256, false);
	source_stats(w.table, &s);
	assert_true(s.tracked <= s.capacity);
	assert_true(s.evicted > 50000);
	for (uint32_t k = 0; k < 10000; k++) {
		deferred += view_of(&w, 0x0a000000 + k * 256).attempts == 2;
		regular += view_of(&w, 0x10000000 + k * 256).regular;
	}
	assert_true(deferred > 9990);
	assert_true(regular > 9990);
	end(&w);
}

static void tell(struct world *w, const uint8_t *address, enum source_event_kind kind,
		 bool admitted, unsigned turns)
{
	struct source_event e = { .kind = (uint8_t)kind,
				  .admitted = admitted,
				  .limit = admitted ? LIMIT_NONE : LIMIT_WINDOW,
				  .turns = (uint8_t)turns };

	memcpy(e.address, address, sizeof(e.address));
	sources_note(w->table, &e, 1, w->now_us);
}

enum washing { WASH_EMPTY, WASH_DEFERRED, WASH_WITH_JOBS, WASHES };

/* What is left of 20,000 known-good sources in a ledger for 131,072, after 175,000 strangers of one
 * /45: they only connect, are deferred, or do a job each. A source that delivers is regular; one
 * that only connects is not. */
static void one_network_does_not_wash_out_the_known_good(void **state)
{
	for (int how = 0; how < WASHES; how++) {
		struct world w;
		unsigned known = 0, strangers = 0;

		begin(&w);
		w.config.ledger_bytes = 2 << 20;
		free(w.table);
		w.table = source_init(aligned_alloc(64, (source_size(&w.config) + 63) / 64 * 64),
				      &w.config, (const uint64_t[2]){ 1, 2 });
		step(&w, SECOND);
		for (uint32_t k = 0; k < 20000; k++)
			note(&w, 0x05000000 + k * 256, true);
		pass(&w, 600);
		for (uint32_t k = 0; k < 175000; k++) {
			uint8_t a[16] = { 0x2a,
					  0x0d,
					  1,
					  2,
					  0x40,
					  (uint8_t)(k >> 16),
					  (uint8_t)(k >> 8),
					  (uint8_t)k,
					  [15] = 1 };

			tell(&w, a, SOURCE_ATTEMPT, how != WASH_DEFERRED, 0);
			if (how != WASH_DEFERRED)
				tell(&w, a, SOURCE_FINISHED, true,
				     how == WASH_WITH_JOBS ? SOURCE_JOB_TURNS : 2);
			if (k % 100 == 0)
				step(&w, SECOND / 10);
			if (k % 10 == 0) {
				struct source_view v;

				source_explain(w.table, a, w.now_us, &v);
				strangers += v.regular;
			}
		}
		for (uint32_t k = 0; k < 20000; k++)
			known += view_of(&w, 0x05000000 + k * 256).regular;
		assert_true(known >= 19800);
		if (how == WASH_WITH_JOBS)
			assert_true(strangers > 1000);
		else
			assert_int_equal(strangers, 0);
		end(&w);
	}
}

/* Half of all connections from a private address, or four fifths from any: an address that stands
 * for many. */
static void an_address_that_stands_for_many_is_found(void **state)
{
	const struct {
		uint32_t address;
		unsigned in_ten;
		bool found;
	} cases[] = { { 0xac160101, 8, true },	{ 0x0a000001, 8, true },  { 0x7f000101, 8, true },
		      { 0x64400001, 8, true },	{ 0xa9fe0001, 8, true },  { 0xc0a80001, 8, true },
		      { 0xac160101, 3, false }, { 0xcb007107, 6, false }, { 0xcb007107, 10, true },
		      { 0xac200101, 6, false }, { 0x64800001, 6, false } };

	for (size_t c = 0; c < ARRAY_SIZE(cases); c++) {
		struct source_shared shared;
		struct world w;

		begin(&w);
		step(&w, SECOND);
		for (uint32_t i = 0; i < 600; i++) {
			if (i % 5 == 0)
				step(&w, SECOND / 10);
			note(&w, i % 10 < cases[c].in_ten ? cases[c].address : 0x05000000 + i * 256,
			     true);
			if (i == 50) { /* too few yet */
				source_shared(w.table, &shared);
				assert_false(shared.known);
			}
		}
		source_shared(w.table, &shared);
		assert_int_equal(shared.known, cases[c].found);
		assert_near((int)(shared.share * 100), (int)(cases[c].in_ten * 10), 12);
		end(&w);
	}
}

static void anything_may_stand_in_an_event(void **state)
{
	struct world w;
	struct source_event e;
	struct source_stats s;
	uint64_t random = 1;

	begin(&w);
	step(&w, SECOND);
	for (int i = 0; i < 100000; i++) {
		for (size_t k = 0; k < sizeof(e); k++) {
			random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
			((uint8_t *)&e)[k] = (uint8_t)(random >> 56);
		}
		e.kind %= 5;
		e.service %= 12;
		sources_note(w.table, &e, 1, w.now_us);
		if (i % 1000 == 0)
			step(&w, SECOND / 10);
	}
	source_stats(w.table, &s);
	assert_true(s.forgotten > 0 && s.noted > 0);
	end(&w);
}

static void a_foreign_block_is_not_a_table(void **state)
{
	struct world w;
	size_t size;
	struct source_table *t;
	uint8_t *copy;

	begin(&w);
	size = source_size(&w.config);
	assert_ptr_equal(source_check(w.table, size), w.table);
	assert_null(source_check(w.table, size - 1));
	assert_null(source_check(w.table, 100));
	copy = aligned_alloc(64, (size + 63) / 64 * 64);
	memcpy(copy, w.table, size);
	copy[4] ^= 1; /* version */
	t = (struct source_table *)copy;
	assert_null(source_check(t, size));
	memset(copy, 0, size);
	assert_null(source_check(t, size));
	free(copy);
	end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_go_out_and_come_back),
		cmocka_unit_test(a_clock_that_lags_behind_the_file_is_forgiven),
		cmocka_unit_test(a_wall_clock_that_is_set_changes_no_wait),
		cmocka_unit_test(a_full_ledger_forgets_the_least),
		cmocka_unit_test(one_network_does_not_wash_out_the_known_good),
		cmocka_unit_test(an_address_that_stands_for_many_is_found),
		cmocka_unit_test(anything_may_stand_in_an_event),
		cmocka_unit_test(a_foreign_block_is_not_a_table),
	};

	return cmocka_run_group_tests_name("source_table", tests, NULL, NULL);
}
