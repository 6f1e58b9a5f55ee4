#include "cmocka_test.h"

#include <math.h>

#include "law_part_world.h"

/* core/commit.c by itself: what sessions take at a disk while more and fewer are busy. */
#define CYCLE_S 40 /* long beside the 3 s over which the busy sessions are smoothed */

static struct commit commit;

static int setup(void **state)
{
	tick_init();
	load.in_flight = 100;
	tick.io = 1;
	tick.cpu = .1;
	memset(&commit, 0, sizeof(commit));
	return 0;
}

/* For so long `busy` sessions, more and fewer by this part of them, each of which takes
 * `constant_s` and `each_s` for each busy one. Returns the constant part that was learned. */
static double look(double seconds, double busy, double part, double constant_s, double each_s)
{
	double found = 0;

	for (int i = 0; i < seconds / TICK_S; i++) {
		double now = busy * (1 + part * sin(2 * M_PI * i * TICK_S / CYCLE_S));

		tick.busy = now;
		rates = (struct rates){ .done = 20, .done_time = 20 * (constant_s + each_s * now) };
		found = commit_step(&commit, &tick, &rates);
	}
	return found;
}

static void a_commit_that_all_share_takes_as_long_for_two_as_for_two_hundred(void **state)
{
	assert_near(look(120, 60, .5, .4, 0), .4, .02);
}

static void a_time_that_grows_with_the_busy_sessions_is_a_queue(void **state)
{
	assert_near(look(120, 60, .3, 0, .01), 0, .06);
}

static void of_a_commit_and_a_queue_the_commit_is_found(void **state)
{
	assert_near(look(120, 60, .3, .4, .005), .4, .04);
}

/* The same time could be either of them. */
static void while_the_busy_sessions_hardly_vary_nothing_is_learned(void **state)
{
	tick.io = 0;
	look(30, 60, 0, .4, 0); /* as many were busy before the disk held them up */
	tick.io = 1;
	assert_near(look(120, 60, .06, .4, 0), 0, 1e-9);
	assert_true(look(120, 60, .2, .4, 0) > .3);
}

static void what_cannot_be_seen_is_forgotten_in_a_minute_of_refusals(void **state)
{
	double kept, left;

	look(120, 60, .5, .4, 0);
	look(60, 60, 0, .4, 0); /* the variance of before fades */
	kept = look(20, 60, 0, .4, 0);
	assert_near(kept, .4, .02);
	tick.refusing = true;
	left = look(60, 60, 0, .4, 0);
	assert_near(left, kept / M_E, .01);
}

/* What was seen of the disk before says nothing of what it does now. */
static void after_a_jump_the_regression_begins_again(void **state)
{
	look(120, 60, .5, .4, 0);
	assert_near(commit.time_mean, .4, .01);
	look(TICK_S, 60, 0, .7, 0); /* less than twice */
	assert_near(commit.time_mean, .4, .01);
	look(TICK_S, 60, 0, .9, 0);
	assert_near(commit.time_mean, .9, .01);
	assert_true(commit.variance < 1);
	assert_near(commit.time_s, .4, .02); /* stays until something else is learned */
	look(TICK_S, 60, 0, .4, 0);
	assert_near(commit.time_mean, .4, .01);
}

static void only_a_disk_that_holds_sessions_up_is_looked_at(void **state)
{
	tick.cpu = 1; /* the CPUs hold them up as much */
	assert_near(look(120, 60, .5, .4, 0), 0, 1e-9);
	tick.cpu = .1;
	tick.server = SERVER_SHORT_OF_SLOTS;
	assert_near(look(120, 60, .5, .4, 0), 0, 1e-9);
	tick.server = 0;
	config.without = 1u << WINDOW_PART_BASE;
	assert_near(look(120, 60, .5, .4, 0), 0, 1e-9);
	config.without = 0;
	assert_true(look(120, 60, .5, .4, 0) > .3);
}

/* One session in ten seconds, or none. */
static void too_few_sessions_tell_nothing(void **state)
{
	for (int i = 0; i < 1200; i++) {
		tick.busy = i % 400 < 200 ? 30 : 90;
		rates = (struct rates){ .done = .1, .done_time = .04 };
		assert_near(commit_step(&commit, &tick, &rates), 0, 1e-9);
	}
	rates = (struct rates){ .done = 0 };
	assert_near(commit_step(&commit, &tick, &rates), 0, 1e-9);
}

#define TEST(f) cmocka_unit_test_setup(f, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_commit_that_all_share_takes_as_long_for_two_as_for_two_hundred),
		TEST(a_time_that_grows_with_the_busy_sessions_is_a_queue),
		TEST(of_a_commit_and_a_queue_the_commit_is_found),
		TEST(while_the_busy_sessions_hardly_vary_nothing_is_learned),
		TEST(what_cannot_be_seen_is_forgotten_in_a_minute_of_refusals),
		TEST(after_a_jump_the_regression_begins_again),
		TEST(only_a_disk_that_holds_sessions_up_is_looked_at),
		TEST(too_few_sessions_tell_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
