/* The figures of the cut-offs and of what is kept (law.h): the step of them alone, without
 * fronts. */
#include <math.h>

#include "source_world.h"

#include "core/source_parts.h"

#define TICK_S 0.1
#define BIN_GENERAL 600
#define BIN_NEW 500
#define BIN_PROMISED 400

static struct world w;
static struct source_arrivals *arrivals;

static int start(void **state)
{
	(void)state;
	begin(&w);
	arrivals = &w.table->arrivals[0];
	w.input.service[0].in_flight = 95; /* neither too full nor too empty */
	w.table->active = 1e6f;
	return 0;
}

static int finish_test(void **state)
{
	(void)state;
	end(&w);
	return 0;
}

static void arrive(enum plan_band band, unsigned bin, uint32_t count)
{
	struct plan_source source = { .band = (uint8_t)band,
				      .rank = (uint16_t)(bin << PLAN_RANK_SHIFT) };

	cutoff_note(w.table, 0, &source, count);
}

static void tick(double dt_s)
{
	cutoff_step(w.table, &w.input, dt_s, &w.plan);
}

/* So many in a tick come for so long. */
static void come(uint32_t count, double for_s)
{
	for (int i = 0; i < (int)(for_s / TICK_S + 0.5); i++) {
		arrive(PLAN_BAND_GENERAL, BIN_GENERAL, count);
		tick(TICK_S);
	}
}

/* Sources that come first ask, and find no place. */
static void crowd(uint32_t count, double dt_s)
{
	struct plan_source source = { .rank = BIN_GENERAL << PLAN_RANK_SHIFT };

	cutoff_crowded(w.table, 0, &source, true, count);
	tick(dt_s);
}

static void assert_about(double value, double expected, double part)
{
	if (fabs(value - expected) <= part * fabs(expected))
		return;
	print_error("%g is not about %g\n", value, expected);
	fail();
}

static void the_rate_of_arrival_is_of_two_seconds(void **state)
{
	(void)state;
	come(10, 2);
	assert_about(arrivals->rate[PLAN_BAND_GENERAL], 63.2, 0.05);
}

/* Three hundred of them, for a tick at least and half a minute at most. */
static void the_shape_is_of_the_last_arrivals(void **state)
{
	(void)state;
	come(10, 60);
	assert_about(arrivals->total[PLAN_BAND_GENERAL], 300, 0.05);
	come(1000, 60);
	assert_about(arrivals->total[PLAN_BAND_GENERAL], 1000 / (exp(1) - 1), 0.01);
	come(0, 60);
	for (int i = 0; i < 300; i++) {
		arrive(PLAN_BAND_GENERAL, BIN_GENERAL, 1);
		for (int n = 0; n < 10; n++)
			tick(TICK_S);
	}
	assert_about(arrivals->total[PLAN_BAND_GENERAL], 30, 0.1);
}

/* The part of what arrives in this band that passes, of a hundred places a second. */
static double passing(enum plan_band band)
{
	return 1 - (w.plan.service[0].cutoff[band] & SCORE_TIES) / (double)SCORE_TIES;
}

static void new_ones_and_those_that_are_due_have_a_part_of_the_credits(void **state)
{
	(void)state;
	for (int i = 0; i < 200; i++) {
		arrive(PLAN_BAND_GENERAL, BIN_GENERAL, 100);
		arrive(PLAN_BAND_NEW, BIN_NEW, 100);
		arrive(PLAN_BAND_PROMISED, BIN_PROMISED, 100);
		tick(TICK_S);
	}
	assert_about(passing(PLAN_BAND_NEW), 0.01, 0.05);
	assert_about(passing(PLAN_BAND_PROMISED), 0.03, 0.05);
	assert_about(passing(PLAN_BAND_GENERAL), 0.06, 0.05);
}

static double credits_with(double capacity, double admitted, double in_flight)
{
	w.input.service[0] = (struct source_load){ .capacity_per_s = capacity,
						   .admitted_per_s = admitted,
						   .in_flight = in_flight,
						   .window = 100 };
	tick(TICK_S);
	return arrivals->credits;
}

static void credits_follow_the_window(void **state)
{
	(void)state;
	assert_about(credits_with(100, 100, 95), 100, 1e-6);
	assert_about(credits_with(100, 100, 75), 110, 1e-6);
	assert_about(credits_with(100, 100, 0), 130, 1e-6);
	assert_about(credits_with(100, 100, 200), 70, 1e-6);
}

static void what_is_admitted_tells_the_credits_of_a_full_window(void **state)
{
	(void)state;
	assert_true(credits_with(0, 50, 0) < 0);
	assert_about(credits_with(0, 50, 50), 122.5, 1e-6);
}

static void a_window_that_is_not_full_lets_more_in(void **state)
{
	(void)state;
	come(100, 20);
	assert_about(arrivals->gain, 1, 0.01);
	w.input.service[0].in_flight = 45;
	come(100, 1);
	assert_about(arrivals->gain, exp(1), 0.01);
	w.input.service[0].in_flight = 0;
	come(100, 20);
	assert_about(arrivals->gain, 50, 0.001);
	w.input.service[0].in_flight = 200;
	come(100, 20);
	assert_about(arrivals->gain, 0.7, 0.001);
	w.input.service[0].in_flight = -1; /* not known: the correction is forgotten */
	come(100, 10);
	assert_about(arrivals->gain, 1 - 0.3 * exp(-1), 0.01);
}

static void a_source_may_have_four_sessions_or_a_quarter_of_the_window(void **state)
{
	(void)state;
	w.input.service[0].window = 10;
	tick(TICK_S);
	assert_int_equal(w.plan.service[0].source_share, 4);
	w.input.service[0].window = 100;
	tick(TICK_S);
	assert_int_equal(w.plan.service[0].source_share, 25);
	w.table->active = 4;
	tick(TICK_S);
	assert_int_equal(w.plan.service[0].source_share, 50);
}

static void what_is_kept_grows_fast_and_fades_in_seconds(void **state)
{
	(void)state;
	w.input.service[0].window = -1; /* the credits bound nothing */
	crowd(1, 0.01);
	assert_about(arrivals->reserve, 0.05, 0.01);
	for (int i = 0; i < 20; i++)
		crowd(10, TICK_S);
	assert_about(arrivals->reserve, 0.25, 1e-3);
	arrivals->crowded = 0;
	for (int i = 0; i < 500; i++)
		tick(TICK_S / 10);
	assert_about(arrivals->reserve, 0.25 * exp(-1), 0.01);
}

/* Where an eighth of the credits comes first, half of it may be kept. */
static void little_is_kept_for_few(void **state)
{
	(void)state;
	tick(TICK_S);
	arrivals->first = 12.5f;
	arrivals->reserve = 0.25f;
	tick(TICK_S);
	assert_about(arrivals->reserve, 0.125, 1e-3);
}

static void who_finds_no_place_is_seen_in_half_a_second(void **state)
{
	(void)state;
	for (int i = 0; i < 50; i++)
		crowd(1, TICK_S / 10);
	assert_about(arrivals->crowded, 63.2, 0.02);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, finish_test)
	const struct CMUnitTest tests[] = {
		TEST(the_rate_of_arrival_is_of_two_seconds),
		TEST(the_shape_is_of_the_last_arrivals),
		TEST(new_ones_and_those_that_are_due_have_a_part_of_the_credits),
		TEST(credits_follow_the_window),
		TEST(what_is_admitted_tells_the_credits_of_a_full_window),
		TEST(a_window_that_is_not_full_lets_more_in),
		TEST(a_source_may_have_four_sessions_or_a_quarter_of_the_window),
		TEST(what_is_kept_grows_fast_and_fades_in_seconds),
		TEST(little_is_kept_for_few),
		TEST(who_finds_no_place_is_seen_in_half_a_second),
	};
#undef TEST

	return cmocka_run_group_tests_name("source_cutoff", tests, NULL, NULL);
}
