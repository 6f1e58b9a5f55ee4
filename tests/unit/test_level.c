#include "cmocka_test.h"

#include <math.h>
#include <stdlib.h>

#include "base/array.h"
#include "core/level.h"

#define S 1000000u

static struct level_state state;
static uint64_t now_us;

static int setup(void **unused)
{
	now_us = S;
	level_init(&state, now_us);
	return 0;
}

static void hold(double pressure, double admitted, int hard, double seconds)
{
	for (int i = 0; i < seconds * 10; i++) {
		struct level_input in = { now_us += S / 10, pressure, admitted, hard };

		level_step(&state, &in);
	}
}

static void up_after_a_second_and_not_for_a_blip(void **unused)
{
	hold(2, 1, 0, 0.8);
	assert_int_equal(state.level.number, LEVEL_NORMAL);
	hold(0, 1, 0, 0.1);
	hold(2, 1, 0, 0.8);
	assert_int_equal(state.level.number, LEVEL_NORMAL);
	hold(2, 1, 0, 0.4);
	assert_int_equal(state.level.number, LEVEL_ELEVATED);
	assert_int_equal(state.level.changes[LEVEL_ELEVATED], 1);
}

static void each_threshold(void **unused)
{
	static const struct {
		double pressure, admitted;
		int hard;
		enum level_number number;
	} rows[] = { { 0.79, 1, 0, LEVEL_NORMAL },   { 0.81, 1, 0, LEVEL_ELEVATED },
		     { 0, 0.992, 0, LEVEL_NORMAL },  { 0, 0.985, 0, LEVEL_SHEDDING },
		     { 0, 0.98, 0, LEVEL_SHEDDING }, { 0, 0.49, 0, LEVEL_SEVERE },
		     { 0, 0.05, 0, LEVEL_CRITICAL }, { 0, 1, 1, LEVEL_CRITICAL } };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		setup(NULL);
		hold(rows[i].pressure, rows[i].admitted, rows[i].hard, 5);
		assert_int_equal(state.level.number, rows[i].number);
	}
}

static void down_within_ten_seconds_over_all_steps(void **unused)
{
	hold(1, 0.4, 0, 3);
	assert_int_equal(state.level.number, LEVEL_SEVERE);
	hold(0, 1, 0, 2.5);
	assert_int_equal(state.level.number, LEVEL_SEVERE);
	hold(0, 1, 0, 1);
	assert_int_equal(state.level.number, LEVEL_NORMAL);
	assert_int_equal(state.level.changes[LEVEL_SHEDDING], 1); /* on the way up */
}

static void shedding_begins_at_once_and_severe_after_a_second(void **unused)
{
	hold(0, 0.992, 0, 0.1);
	assert_int_equal(state.level.number, LEVEL_NORMAL);
	hold(0, 0.985, 0, 0.1);
	assert_int_equal(state.level.number, LEVEL_SHEDDING);
	hold(0, 0.4, 0, 0.8);
	assert_int_equal(state.level.number, LEVEL_SHEDDING);
	hold(0, 0.4, 0, 0.4);
	assert_int_equal(state.level.number, LEVEL_SEVERE);
}

/* As in the tick after a drain, in which the window still counts as refusing. */
static void a_cliff_of_one_tick_is_no_shedding(void **unused)
{
	hold(0, 1, 1, 0.1);
	hold(0, 1, 0, 3);
	assert_int_equal(state.level.number, LEVEL_NORMAL);
	assert_int_equal(state.level.changes[LEVEL_SHEDDING], 0);
}

static void where_no_client_can_be_refused_no_level_says_so(void **unused)
{
	struct level_input in = { now_us, 2, 1, 0, 1 };

	hold(2, 0.4, 0, 3);
	assert_int_equal(state.level.number, LEVEL_SEVERE);
	in.now_us = now_us += S / 10;
	level_step(&state, &in);
	assert_int_equal(state.level.number, LEVEL_ELEVATED);
}

static void less_is_refused_and_the_level_says_so(void **unused)
{
	hold(0, 0.05, 0, 3);
	assert_int_equal(state.level.number, LEVEL_CRITICAL);
	hold(0, 0.87, 0, 6);
	assert_int_equal(state.level.number, LEVEL_SHEDDING);
	hold(0.9, 1, 0, 6);
	assert_int_equal(state.level.number, LEVEL_ELEVATED);
}

/* Twenty minutes of a load that is steady, at a threshold, with chance in it. */
static void a_steady_load_changes_no_level_more_than_once_a_minute(void **unused)
{
	static const double thresholds[] = { 0.99, 0.5, 0.1 };
	unsigned seed = 1;

	for (size_t t = 0; t < ARRAY_SIZE(thresholds); t++) {
		uint64_t changes = 0;

		setup(NULL);
		for (int i = 0; i < 20 * 60 / 4; i++) {
			double chance = (rand_r(&seed) % 1000 / 1000.0 - 0.5) * 0.4;

			hold(0.5, fmin(1, thresholds[t] + chance), 0, 4);
		}
		for (int n = 0; n < LEVEL__COUNT; n++)
			changes += state.level.changes[n];
		assert_in_range(changes, 1, 20);
	}
}

static void one_that_came_back_is_left_after_two_quiet_minutes(void **unused)
{
	hold(0, 0.4, 0, 3);
	hold(0, 1, 0, 6);
	assert_int_equal(state.level.number, LEVEL_NORMAL);
	hold(0, 0.4, 0, 3);
	hold(0, 1, 0, 100);
	assert_int_equal(state.level.number, LEVEL_SEVERE);
	hold(0, 1, 0, 21);
	assert_int_equal(state.level.number, LEVEL_NORMAL);
	/* An hour later it is news again. */
	hold(0, 1, 0, 3600);
	hold(0, 0.4, 0, 3);
	hold(0, 1, 0, 6);
	assert_int_equal(state.level.number, LEVEL_NORMAL);
}

static void it_stays_while_above_four_fifths_of_its_entry(void **unused)
{
	hold(1, 1, 0, 3);
	assert_int_equal(state.level.number, LEVEL_ELEVATED);
	hold(0.66, 1, 0, 60); /* under 0.8, over 0.64 */
	assert_int_equal(state.level.number, LEVEL_ELEVATED);
	hold(0.62, 1, 0, 31);
	assert_int_equal(state.level.number, LEVEL_NORMAL);
}

static void a_load_at_the_threshold_does_not_flap(void **unused)
{
	for (int i = 0; i < 200; i++) {
		hold(0, 0.97, 0, 2);
		hold(0, 1, 0, 5);
	}
	/* It is left once; then it is known to come back, and stays. */
	assert_in_range(state.level.changes[LEVEL_SHEDDING], 1, 2);
	assert_int_equal(state.level.number, LEVEL_SHEDDING);
}

static int stays_after(double away_s)
{
	setup(NULL);
	hold(2, 1, 0, 3);
	hold(0, 1, 0, away_s);
	hold(2, 1, 0, 3);
	hold(0, 1, 0, 20);
	return state.level.number == LEVEL_ELEVATED;
}

static void two_minutes_after_it_was_left_a_level_is_a_new_one(void **unused)
{
	assert_true(stays_after(100));
	assert_false(stays_after(140));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(up_after_a_second_and_not_for_a_blip, setup),
		cmocka_unit_test_setup(each_threshold, setup),
		cmocka_unit_test_setup(down_within_ten_seconds_over_all_steps, setup),
		cmocka_unit_test_setup(shedding_begins_at_once_and_severe_after_a_second, setup),
		cmocka_unit_test_setup(a_cliff_of_one_tick_is_no_shedding, setup),
		cmocka_unit_test_setup(where_no_client_can_be_refused_no_level_says_so, setup),
		cmocka_unit_test_setup(less_is_refused_and_the_level_says_so, setup),
		cmocka_unit_test_setup(a_steady_load_changes_no_level_more_than_once_a_minute,
				       setup),
		cmocka_unit_test_setup(one_that_came_back_is_left_after_two_quiet_minutes, setup),
		cmocka_unit_test_setup(it_stays_while_above_four_fifths_of_its_entry, setup),
		cmocka_unit_test_setup(a_load_at_the_threshold_does_not_flap, setup),
		cmocka_unit_test_setup(two_minutes_after_it_was_left_a_level_is_a_new_one, setup),
	};

	return cmocka_run_group_tests_name("level", tests, NULL, NULL);
}
