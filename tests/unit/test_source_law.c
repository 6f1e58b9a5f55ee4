/* The figures of the rank of a source, and of how long something is known of it (law.h). */
#include <math.h>

#include "source_world.h"

#include "core/source_parts.h"

#define NOW_S 1800000000u
#define MINUTE_S 60u
#define PROPER_S 120u /* world.config.proper_s */
#define FAIR_UNITS 64u
#define HERE 0x0a000000u

static struct world w;
static struct source_table *table;
/* A source that came back properly two minutes after it was deferred. */
static struct source_entry entry;
static struct source_facts facts;

static int start(void **state)
{
	(void)state;
	begin(&w);
	table = w.table;
	w.config.longest_attempts = 100; /* no promise, where a test is not of it */
	w.config.longest_deferral_s = 100 * 86400;
	source_configure(table, &w.config);
	entry = (struct source_entry){ .tag = ENTRY_DEFERRED,
				       .first = NOW_S - PROPER_S,
				       .last = NOW_S - PROPER_S,
				       .tries = 1 };
	facts = (struct source_facts){ .entry = &entry };
	return 0;
}

static int finish_test(void **state)
{
	(void)state;
	end(&w);
	return 0;
}

static struct plan_source scored(void)
{
	struct plan_source source = { 0 };

	source_score(table, &facts, NOW_S, &source);
	return source;
}

/* Eighths of a unit of rank above a source of which nothing is known. */
static int above(void)
{
	return (int)(scored().rank >> PLAN_RANK_SHIFT) - SOURCE_BINS / 2;
}

/* ---- the rank ------------------------------------------------------------------------------- */

static void who_is_known_comes_earlier(void **state)
{
	(void)state;
	entry.tag = 0;
	assert_int_equal(above(), 8);
	entry.tag = ENTRY_RETRIED;
	assert_int_equal(above(), 8 + 8);
	entry.tag = ENTRY_KNOWN;
	assert_int_equal(above(), 8 + 3 * 8);
	facts.entry = NULL;
	assert_int_equal(above(), 0);
}

static void each_of_three_retries_brings_four_units(void **state)
{
	const int class_and_age = 8 + 8;

	(void)state;
	for (uint8_t tries = 1; tries < 6; tries++) {
		entry.tries = tries;
		assert_int_equal(above(), class_and_age + 4 * 8 * (tries < 3 ? tries : 3));
	}
}

static void a_longer_wait_brings_a_unit_for_each_doubling(void **state)
{
	const int class_and_retry = 8 + 4 * 8;

	(void)state;
	entry.first = NOW_S - 7 * 120;
	assert_int_equal(above(), class_and_retry + 3 * 8);
	entry.first = NOW_S - 511 * 120;
	assert_int_equal(above(), class_and_retry + 9 * 8);
	entry.first = NOW_S - 1023 * 120;
	assert_int_equal(above(), class_and_retry + 10 * 8);
}

/* Such senders give up in so many seconds from now. */
static void give_up_in(uint32_t s)
{
	entry.gap = 300 / GAP_UNIT_S;
	table->patience_s[source_gap_class(&entry)] = PROPER_S + s;
}

static void patience_that_runs_out_is_urgent(void **state)
{
	const int rest = 8 + 4 * 8 + 8;

	(void)state;
	give_up_in(0);
	assert_int_equal(above(), rest + 11 * 8);
	give_up_in(450);
	assert_int_equal(above(), rest + 66);
	give_up_in(900);
	assert_int_equal(above(), rest + 44);
	give_up_in(1800);
	assert_int_equal(above(), rest + 22);
	give_up_in(UINT32_MAX / 2);
	assert_int_equal(above(), rest);
}

static void half_an_hour_before_it_a_source_is_due(void **state)
{
	(void)state;
	give_up_in(1799);
	assert_int_equal(scored().band, PLAN_BAND_PROMISED);
	give_up_in(1800);
	assert_int_equal(scored().band, PLAN_BAND_GENERAL);
}

static void the_promise_brings_24_units(void **state)
{
	int before;

	(void)state;
	entry.tries = 2;
	before = above();
	w.config.longest_attempts = 3;
	source_configure(table, &w.config);
	assert_int_equal(above(), before + 24 * 8);
	assert_int_equal(scored().band, PLAN_BAND_PROMISED);
}

/* An unknown sender comes back in five minutes, and the promise ends in so many seconds. */
static void a_retry_is_expected_in_five_minutes(void **state)
{
	(void)state;
	w.config.longest_deferral_s = PROPER_S + 300;
	source_configure(table, &w.config);
	assert_true(source_promised(table, &facts, NOW_S));
	w.config.longest_deferral_s++;
	source_configure(table, &w.config);
	assert_false(source_promised(table, &facts, NOW_S));
}

static void a_pool_that_gives_up_within_four_hours_is_due(void **state)
{
	(void)state;
	facts = (struct source_facts){ .pool = 1 };
	table->pool[0].patience_s = 14400;
	assert_int_equal(scored().band, PLAN_BAND_PROMISED);
	assert_int_equal(above(), 11 * 8);
	table->pool[0].patience_s = 14401;
	assert_int_equal(scored().band, PLAN_BAND_NEW);
}

static void a_higher_rate_comes_later(void **state)
{
	(void)state;
	facts.entry = NULL;
	table->fair_log = log2_8(FAIR_UNITS);
	facts.units = FAIR_UNITS;
	assert_int_equal(above(), 0);
	facts.units = 2 * FAIR_UNITS;
	assert_int_equal(above(), -4 * 8);
	facts.units = RATE_FULL;
	assert_int_equal(above(), -40 * 8);
}

/* ---- unusual -------------------------------------------------------------------------------- */

static uint8_t heavy_with(uint32_t units)
{
	facts.units = units;
	return scored().heavy;
}

static void over_the_fair_rate_and_its_past_is_unusual(void **state)
{
	(void)state;
	table->fair_log = log2_8(FAIR_UNITS);
	facts.entry = NULL;
	assert_int_equal(heavy_with(2 * FAIR_UNITS - 1), PLAN_HEAVY_NO);
	assert_int_equal(heavy_with(2 * FAIR_UNITS), PLAN_HEAVY_SHARE);
	facts.entry = &entry;
	entry.usual = (uint8_t)log2_8(FAIR_UNITS);
	assert_int_equal(heavy_with(4 * FAIR_UNITS - 1), PLAN_HEAVY_NO);
	assert_int_equal(heavy_with(4 * FAIR_UNITS), PLAN_HEAVY_SHARE);
	entry.usual = UINT8_MAX;
	assert_int_equal(heavy_with(8 * FAIR_UNITS - 1), PLAN_HEAVY_NO);
	assert_int_equal(heavy_with(8 * FAIR_UNITS), PLAN_HEAVY_SHARE);
}

/* Eight sessions of 50 ms are 25 units of 1/64 s. */
static void eight_sessions_are_never_unusual(void **state)
{
	(void)state;
	table->fair_log = log2_8(4);
	facts.entry = NULL;
	assert_int_equal(heavy_with(24), PLAN_HEAVY_NO);
	assert_int_equal(heavy_with(25), PLAN_HEAVY_SHARE);
}

static void the_past_of_a_source_doubles_in_a_minute_at_most(void **state)
{
	struct source_entry e;
	struct ledger_place place = ledger_place(table, view_of(&w, HERE).source.group);

	(void)state;
	step(&w, SECOND);
	note(&w, HERE, true);
	for (unsigned i = 0; i < MINUTE_S; i++) {
		pass(&w, 1);
		for (int k = 0; k < 100; k++)
			note(&w, HERE, true);
	}
	assert_true(ledger_get(table, &place, &e));
	assert_int_equal(e.usual, 8);
}

static void a_session_costs_50_ms_until_it_is_seen(void **state)
{
	struct source_event done = event_of(HERE, SOURCE_FINISHED);
	struct source_stats stats;

	(void)state;
	source_stats(table, &stats);
	assert_near((int)(stats.session_cost_s * 1e6), 50000, 1);
	done.server_us = 150000;
	sources_note(table, &done, 1, w.now_us);
	source_stats(table, &stats);
	assert_near((int)(stats.session_cost_s * 1e6), 51000, 1);
}

/* Thousands of sources, and a server that serves one session a second: what a source may have is
 * one and a half sessions, and a unit for the sketch. */
static void no_fair_rate_is_below_a_session_and_a_half(void **state)
{
	struct source_stats stats;

	(void)state;
	w.input.service[0].capacity_per_s = 1;
	for (uint32_t i = 0; i < 200; i++) {
		step(&w, SECOND / 10);
		for (uint32_t k = 0; k < 50; k++)
			note(&w, HERE + (i * 50 + k) * 256, false);
	}
	source_stats(table, &stats);
	assert_near((int)(stats.fair_rate * 60e6 / table->unit_us * 10), 58, 1);
}

/* ---- what is known, and for how long -------------------------------------------------------- */

static bool waits_after(uint32_t s)
{
	entry.last = NOW_S - s;
	return entry_waits(&entry, NOW_S);
}

static void two_hours_or_three_gaps_without_an_attempt_end_a_wait(void **state)
{
	(void)state;
	assert_true(waits_after(7200));
	assert_false(waits_after(7201));
	entry.gap = 4000 / GAP_UNIT_S;
	assert_true(waits_after(12000));
	assert_false(waits_after(12001));
}

static bool is_known_after(uint32_t flags, uint32_t s)
{
	struct ledger_place place = ledger_place(table, HERE);
	struct source_entry e = { .tag = flags, .first = NOW_S, .last = NOW_S };

	ledger_put(table, &place, &e);
	table->sweep_set = 0;
	for (unsigned i = 0; i < SWEEP_TICKS; i++)
		ledger_sweep(table, NOW_S + s);
	return ledger_get(table, &place, &e);
}

static void a_day_or_a_month_later_a_source_is_forgotten(void **state)
{
	(void)state;
	assert_true(is_known_after(0, 86400));
	assert_false(is_known_after(0, 86401));
	assert_true(is_known_after(ENTRY_KNOWN, 30 * 86400));
	assert_false(is_known_after(ENTRY_KNOWN, 30 * 86400 + 1));
}

/* Both sets in which the place looks are full of sources that are known. */
static void fill_with_known(const struct ledger_place *place)
{
	const struct source_entry known = { .tag = ENTRY_KNOWN, .first = NOW_S, .last = NOW_S };

	for (uint32_t n = 0; n < 2 * SET_ENTRIES; n++) {
		uint32_t set = place->set[n / SET_ENTRIES];
		struct ledger_place other = { .tag = (n + 1) << TAG_SHIFT, .set = { set, set } };

		ledger_put(table, &other, &known);
	}
}

/* Its network has made so many entries within the hour. */
static bool is_taken_in(uint32_t inserted)
{
	struct source_entry e = { .tag = ENTRY_KNOWN, .first = NOW_S, .last = NOW_S };
	struct ledger_place place;

	finish_test(NULL);
	start(NULL);
	place = ledger_place(table, HERE);
	fill_with_known(&place);
	table->inserted[place.prefix] = inserted;
	ledger_put(table, &place, &e);
	return ledger_get(table, &place, &e);
}

static void one_network_displaces_a_64th_of_the_ledger(void **state)
{
	const uint32_t share = table->sets * SET_ENTRIES / 64;

	(void)state;
	assert_true(is_taken_in(share));
	assert_false(is_taken_in(share + 1));
}

static void a_gap_is_a_mean_of_four(void **state)
{
	(void)state;
	step(&w, SECOND);
	note(&w, HERE, false);
	pass(&w, 300);
	note(&w, HERE, false);
	assert_int_equal(view_of(&w, HERE).gap_s, 300);
	pass(&w, 700);
	note(&w, HERE, false);
	assert_int_equal(view_of(&w, HERE).gap_s, 400);
}

/* So many sources gave up at that age. */
static void gave_up(int sources, uint32_t age_s)
{
	entry.tries = 2;
	entry.gap = 300 / GAP_UNIT_S;
	entry.first = NOW_S;
	entry.last = NOW_S + age_s;
	for (int i = 0; i < sources; i++)
		patience_learn(table, &entry);
}

static uint32_t patience_s(void)
{
	return table->patience_s[source_gap_class(&entry)];
}

/* Each of them lets those before fade by a thousandth: sixteen are a little less. */
static void sixteen_sources_tell_when_senders_give_up(void **state)
{
	(void)state;
	gave_up(16, 3600);
	assert_int_equal(patience_s(), 0);
	gave_up(1, 3600);
	assert_in_range(patience_s(), 1800, 3600);
}

static void a_thousand_sources_are_remembered(void **state)
{
	const float *gone = table->patience[5].gone;
	float sum = 0;

	(void)state;
	gave_up(20000, 3600);
	gone = table->patience[source_gap_class(&entry)].gone;
	for (unsigned i = 0; i < SOURCE_AGES; i++)
		sum += gone[i];
	assert_near((int)sum, 1000, 10);
}

static void a_tenth_may_give_up_sooner(void **state)
{
	(void)state;
	gave_up(8, 1200);
	gave_up(92, 7200);
	assert_in_range(patience_s(), 3600, 7200);
	finish_test(state);
	start(state);
	gave_up(14, 1200);
	gave_up(86, 7200);
	assert_in_range(patience_s(), 600, 1200);
}

/* ---- what people are told ------------------------------------------------------------------- */

static bool is_infeasible(float broken, float promised)
{
	struct source_stats stats;

	table->broken_lately = broken;
	table->promised_lately = promised;
	source_stats(table, &stats);
	return stats.infeasible;
}

static void a_promise_is_broken_for_three_and_a_twentieth(void **state)
{
	(void)state;
	assert_false(is_infeasible(2.4f, 3));
	assert_true(is_infeasible(2.6f, 3));
	assert_false(is_infeasible(4.9f, 100));
	assert_true(is_infeasible(5.1f, 100));
}

/* So many connections in a minute come from this address, and so many from others. */
static bool is_shared(uint32_t address, unsigned its, unsigned others)
{
	struct source_shared shared;

	finish_test(NULL);
	start(NULL);
	step(&w, SECOND);
	for (unsigned i = 0; i < its; i++)
		note(&w, address, true);
	for (unsigned i = 0; i < others; i++)
		note(&w, 0x14000000 + i * 65536, true);
	source_shared(w.table, &shared);
	return shared.known;
}

static void an_address_that_stands_for_many_brings_most(void **state)
{
	(void)state;
	assert_false(is_shared(HERE, 59, 10));
	assert_true(is_shared(HERE, 60, 10));
	assert_false(is_shared(HERE, 90, 110));
	assert_true(is_shared(HERE, 110, 90));
	assert_false(is_shared(0xc6336401, 150, 50));
	assert_true(is_shared(0xc6336401, 170, 30));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, finish_test)
	const struct CMUnitTest tests[] = {
		TEST(who_is_known_comes_earlier),
		TEST(each_of_three_retries_brings_four_units),
		TEST(a_longer_wait_brings_a_unit_for_each_doubling),
		TEST(patience_that_runs_out_is_urgent),
		TEST(half_an_hour_before_it_a_source_is_due),
		TEST(the_promise_brings_24_units),
		TEST(a_retry_is_expected_in_five_minutes),
		TEST(a_pool_that_gives_up_within_four_hours_is_due),
		TEST(a_higher_rate_comes_later),
		TEST(over_the_fair_rate_and_its_past_is_unusual),
		TEST(eight_sessions_are_never_unusual),
		TEST(the_past_of_a_source_doubles_in_a_minute_at_most),
		TEST(a_session_costs_50_ms_until_it_is_seen),
		TEST(no_fair_rate_is_below_a_session_and_a_half),
		TEST(two_hours_or_three_gaps_without_an_attempt_end_a_wait),
		TEST(a_day_or_a_month_later_a_source_is_forgotten),
		TEST(one_network_displaces_a_64th_of_the_ledger),
		TEST(a_gap_is_a_mean_of_four),
		TEST(sixteen_sources_tell_when_senders_give_up),
		TEST(a_thousand_sources_are_remembered),
		TEST(a_tenth_may_give_up_sooner),
		TEST(a_promise_is_broken_for_three_and_a_twentieth),
		TEST(an_address_that_stands_for_many_brings_most),
	};
#undef TEST

	return cmocka_run_group_tests_name("source_law", tests, NULL, NULL);
}
