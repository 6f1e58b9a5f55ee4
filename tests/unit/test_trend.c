#include "cmocka_test.h"

#include <math.h>

#include "core/splitmix.h"
#include "core/trend.h"

#define MIB 1048576.0
#define GIB (1024 * MIB)

static struct trend trend;
static uint64_t now_us, rng;
static double value;

static int setup(void **state)
{
	memset(&trend, 0, sizeof(trend));
	now_us = 1000000;
	rng = 7;
	value = 8 * GIB;
	return 0;
}

static double noise(double size)
{
	return (splitmix_unit(&rng) - 0.5) * 2 * size;
}

/* Ten readings a second for `seconds`; falls by `per_s` with noise around it. Returns for how many
 * seconds an end was told. */
static double run(double seconds, double per_s, double noisy)
{
	unsigned told = 0;

	for (int i = 0; i < seconds * 10; i++) {
		value -= per_s / 10;
		trend_put(&trend, now_us += 100000, value + noise(noisy), 4 * MIB);
		told += trend_exhaustion_s(&trend, value) >= 0;
	}
	return told / 10.0;
}

static void a_leak_is_seen_within_minutes_when_the_end_is_near(void **state)
{
	double left;

	run(120, 5 * MIB, 20 * MIB);
	left = trend_exhaustion_s(&trend, value);
	/* 7.4 GiB at 5 MiB a second: 25 minutes; seen for 96 s, believed for 16 */
	assert_true(left < 0 || left > 1000);
	run(700, 5 * MIB, 20 * MIB);
	left = trend_exhaustion_s(&trend, value);
	assert_near(left, value / (5 * MIB), 0.25 * value / (5 * MIB));
}

static void a_slow_leak_is_seen_hours_ahead(void **state)
{
	double left;

	/* 100 KiB a second: 8 GiB in 23 hours */
	run(3 * 3600, 0.1 * MIB, 200 * MIB);
	left = trend_exhaustion_s(&trend, value);
	assert_true(left > 0);
	assert_near(left, value / (0.1 * MIB), 0.3 * value / (0.1 * MIB));
}

static void noise_tells_nothing(void **state)
{
	assert_near(run(6 * 3600, 0, 500 * MIB), 0, 0);
}

static void steps_tell_nothing(void **state)
{
	/* A job that takes 2 GiB at once, keeps it for ten minutes, gives it back. */
	double told = 0;

	for (int i = 0; i < 12; i++) {
		value -= 2 * GIB;
		told += run(600, 0, 10 * MIB);
		value += 2 * GIB;
		told += run(600, 0, 10 * MIB);
	}
	assert_near(told, 0, 0);
}

/* A random walk goes somewhere for a while, whatever one does: rarely enough. */
static void random_walks_tell_little(void **state)
{
	double told = 0;

	for (int walk = 0; walk < 20; walk++) {
		setup(NULL);
		rng = (uint64_t)walk + 1;
		for (int i = 0; i < 2 * 3600; i++) {
			value += noise(20 * MIB);
			if (value > 8 * GIB)
				value = 8 * GIB;
			told += run(1, 0, 0);
		}
	}
	print_message("# told in %.2f %% of the time\n", 100 * told / (20 * 2 * 3600));
	assert_true(told < 0.02 * 20 * 2 * 3600);
}

static void it_ends_when_the_leak_ends(void **state)
{
	run(1500, 4 * MIB, 10 * MIB);
	assert_true(trend_exhaustion_s(&trend, value) > 0);
	run(400, 0, 10 * MIB);
	assert_true(trend_exhaustion_s(&trend, value) < 0);
}

static void after_a_gap_the_past_is_forgotten(void **state)
{
	run(1500, 4 * MIB, 10 * MIB);
	now_us += 8000000000;
	run(1, 0, 0);
	assert_true(trend_exhaustion_s(&trend, value) < 0);
}

static void what_grows_is_no_fall(void **state)
{
	double per_s, seen;

	run(1500, -4 * MIB, 10 * MIB);
	assert_false(trend_falling(&trend, &per_s, &seen));
}

/* A look has half of its points after 48 s, and five more after 58. */
static void a_fall_has_to_hold_for_six_windows(void **state)
{
	value = GIB;
	run(55, 5 * MIB, 0);
	assert_true(trend_exhaustion_s(&trend, value) < 0);
	run(8, 5 * MIB, 0);
	assert_true(trend_exhaustion_s(&trend, value) > 0);
}

static void half_of_the_points_say_something(void **state)
{
	run(47, 5 * MIB, 0);
	assert_false(trend.look[0].judged);
	run(3, 5 * MIB, 0);
	assert_true(trend.look[0].judged);
}

static void a_gap_of_two_windows_ends_the_past(void **state)
{
	run(40, 5 * MIB, 0);
	now_us += 1800000;
	run(1, 5 * MIB, 0);
	assert_true(trend.look[0].count > 10);
	run(10, 5 * MIB, 0);
	now_us += 4500000;
	run(1, 5 * MIB, 0);
	assert_int_equal(trend.look[0].count, 0);
}

static bool falls_with(float shorter)
{
	double per_s, seen_s;

	memset(&trend, 0, sizeof(trend));
	trend.look[0] = (struct trend_look){ .judged = true, .slope = shorter };
	trend.look[1] = (struct trend_look){ .judged = true, .slope = -1, .held = 12, .count = 40 };
	return trend_falling(&trend, &per_s, &seen_s);
}

static void it_is_over_when_the_shorter_look_falls_less_than_a_third_as_fast(void **state)
{
	assert_true(falls_with(-0.4f));
	assert_false(falls_with(-0.3f));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_leak_is_seen_within_minutes_when_the_end_is_near, setup),
		cmocka_unit_test_setup(a_slow_leak_is_seen_hours_ahead, setup),
		cmocka_unit_test_setup(noise_tells_nothing, setup),
		cmocka_unit_test_setup(steps_tell_nothing, setup),
		cmocka_unit_test_setup(random_walks_tell_little, setup),
		cmocka_unit_test_setup(it_ends_when_the_leak_ends, setup),
		cmocka_unit_test_setup(after_a_gap_the_past_is_forgotten, setup),
		cmocka_unit_test_setup(what_grows_is_no_fall, setup),
		cmocka_unit_test_setup(half_of_the_points_say_something, setup),
		cmocka_unit_test_setup(a_fall_has_to_hold_for_six_windows, setup),
		cmocka_unit_test_setup(a_gap_of_two_windows_ends_the_past, setup),
		cmocka_unit_test_setup(
			it_is_over_when_the_shorter_look_falls_less_than_a_third_as_fast, setup),
	};

	return cmocka_run_group_tests_name("trend", tests, NULL, NULL);
}
