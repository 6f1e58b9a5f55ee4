#include "cmocka_test.h"

#include <math.h>

#include "base/array.h"
#include "law_part_world.h"

/* core/delay.c by itself: what sessions take while the window closes and opens. T0 is believed to
 * be .05 s. */
#define UNLOADED_S .05

static struct delay delay;
static double proven;

static int setup(void **state)
{
	tick_init();
	load.known = LOAD_UNGREETED;
	load.in_flight = 100;
	tick.machine = MACHINE_IDLE;
	delay = (struct delay){ .doubted = true, .alone_s = TAU_RATE_S };
	return 0;
}

/* Nothing has shown yet that a long T is a queue. */
static int setup_believing(void **state)
{
	setup(state);
	delay.doubted = false;
	return 0;
}

/* Ticks with so many busy sessions and such a T, until something is found. Returns the new T0, or
 * 0. */
static double look(int ticks, double busy, double time_s)
{
	double found = 0;

	while (ticks-- > 0 && found <= 0) {
		rates = (struct rates){ .busy = busy,
					.completed = busy / time_s,
					.done = 1,
					.done_time = time_s,
					.few = 1,
					.few_time = time_s };
		found = delay_step(&delay, &tick, &rates, UNLOADED_S, &proven);
		if (proven > 0)
			break;
	}
	return found;
}

static void a_t_that_stays_while_busy_falls_is_a_delay(void **state)
{
	assert_near(look(100, 120, 2), 0, 1e-9);
	assert_near(look(29, 50, 2), 0, 1e-9); /* those that end were admitted before */
	assert_near(look(2, 50, 2), 2, 1e-9);
	assert_near(proven, 60, 1e-9); /* 120 busy sessions of 2 s */
	assert_near(look(1, 50, 2), 0, 1e-9); /* it is told once */
	assert_near(proven, 0, 1e-9);
}

/* With so many of 120 busy sessions of 2 s a queue takes less than halfway, and a delay more. */
static void a_t_that_follows_busy_is_a_queue(void **state)
{
	static const double busy[] = { 70, 30, 5 };

	for (unsigned i = 0; i < ARRAY_SIZE(busy); i++) {
		double halfway_s = 2 * (1 + busy[i] / 120) / 2;

		setup(NULL);
		look(100, 120, 2);
		assert_near(look(40, busy[i], halfway_s - .01), 0, 1e-9);
		/* What counts is what was busy since then. */
		assert_near(look(100, busy[i] / BASE_SLACK + 1, halfway_s - .01), 0, 1e-9);
		assert_true(look(100, busy[i] / BASE_SLACK - 1, halfway_s - .01) > 0);
		setup(NULL);
		look(100, 120, 2);
		assert_true(look(40, busy[i], halfway_s + .01) > 0);
	}
}

static void a_t_that_falls_before_the_window_closes_is_seen_anew(void **state)
{
	look(100, 120, 2);
	look(1, 120, DELAY_STAYS * 2 - .01);
	assert_near(delay.busy_most, 0, 1e-9);
	look(1, 120, DELAY_STAYS * 2 + .01);
	look(1, 120, DELAY_STAYS * 2);
	assert_near(delay.busy_most, 120, 1e-9);
}

static void while_nothing_ends_and_clients_are_refused_nothing_changes(void **state)
{
	look(100, 120, 2);
	look(20, 50, 2);
	for (int refusing = 1; refusing >= 0; refusing--) {
		tick.refusing = refusing;
		rates = (struct rates){ .busy = 50 };
		delay_step(&delay, &tick, &rates, UNLOADED_S, &proven);
		assert_int_equal(delay.fewer_s > 0, refusing);
	}
}

static void the_window_must_have_closed_for_as_long_as_a_session_takes(void **state)
{
	const double few = 120 / BASE_SLACK;

	look(100, 120, 2);
	assert_near(look(100, few + 1, 2), 0, 1e-9);
	look(20, few - 1, 2);
	look(1, few + 1, 2); /* it begins again */
	assert_near(look(20, few - 1, 2), 0, 1e-9);
	assert_true(look(15, few - 1, 2) > 0);
}

static void only_a_long_t_of_which_nothing_else_tells_is_looked_at(void **state)
{
	for (int i = 0; i < 9; i++) {
		double time_s = 2;

		setup(NULL);
		look(100, 120, 2);
		switch (i) {
		case 1:
			tick.machine = MACHINE_LOADED;
			break;
		case 2:
			tick.machine = MACHINE_PRESSED;
			break;
		case 3:
			tick.server = SERVER_SHORT_OF_SLOTS;
			break;
		case 4:
			load.ungreeted = 20;
			break;
		case 5:
			time_s = BASE_SLACK * UNLOADED_S + TIME_GOOD_S;
			break;
		case 6:
			config.without = 1u << WINDOW_PART_DELAY;
			break;
		case 7:
			tick.machine = MACHINE_UNSEEN;
			break;
		case 8: /* a disk */
			tick.machine = MACHINE_LOADED;
			tick.io = .6;
			tick.cpu = .1;
			break;
		}
		assert_int_equal(look(100, 50, time_s) > 0, i < 2);
	}
}

static void after_something_else_told_of_an_overload_t_is_not_believed_for_a_second(void **state)
{
	look(30, 3, UNLOADED_S);
	look(2, 120, 2);
	assert_true(delay_is_believed(&delay));
	tick.machine = MACHINE_SATURATED;
	look(1, 120, 2);
	assert_false(delay_is_believed(&delay));
	tick.machine = MACHINE_LOADED;
	look((int)(TAU_RATE_S / TICK_S) - 1, 120, 2);
	assert_false(delay_is_believed(&delay));
	look(2, 120, 2);
	assert_true(delay_is_believed(&delay));
}

/* 4.6 s after it was taken for a delay. */
static void a_delay_that_grows_with_the_busy_was_a_queue(void **state)
{
	look(100, 120, 2);
	assert_near(look(100, 50, 2), 2, 1e-9);
	assert_near(look(45, 100, BASE_SLACK * 2), 0, 1e-9);
	assert_near(look(1, 120, BASE_SLACK * 2 + .1), UNLOADED_S, 1e-9);
	/* For a minute T proves nothing, then again. */
	look(500, 120, 2);
	assert_near(look(80, 50, 2), 0, 1e-9);
	look(100, 120, 2);
	assert_true(look(100, 50, 2) > 0);
}

static void after_its_probation_a_delay_may_become_slower(void **state)
{
	look(100, 120, 2);
	assert_near(look(100, 50, 2), 2, 1e-9);
	look(62, 60, 2); /* three times T */
	assert_near(look(20, 120, 4), 0, 1e-9);
	assert_true(delay.since_s > 0); /* there is no pause */
}

static void a_delay_that_completes_more_may_complete_still_more(void **state)
{
	look(100, 120, 2);
	assert_near(look(100, 50, 2), 2, 1e-9);
	look(10, BASE_SLACK * 50 - 1, 2);
	assert_near(proven, 0, 1e-9);
	look(1, BASE_SLACK * 50 + 1, 2);
	assert_near(proven, AHEAD * 38, 1e-9);
	look(1, 120, 4); /* the probation is over */
	assert_true(delay.since_s > 0);
}

/* 60 a second are completed, T is T0; then T is so long in each tick of the half second after which
 * it is looked whether it jumped, and so much is completed. */
static enum delay_onset onset(double grows_s, double completed)
{
	setup_believing(NULL);
	look(2000, 60 * UNLOADED_S, UNLOADED_S);
	for (int i = 1; i <= (int)(DELAY_JUMPS_S / TICK_S); i++) {
		double time_s = BASE_SLACK * UNLOADED_S + TIME_GOOD_S + .01 + i * grows_s;

		assert_int_equal(delay.onset, DELAY_NOT_SEEN);
		assert_near(look(1, completed * time_s, time_s), 0, 1e-9);
		assert_true(delay_is_believed(&delay));
	}
	return delay.onset;
}

static void a_queue_grows_by_a_second_a_second_and_completes_as_much_and_a_jump_does_not(
	void **state)
{
	assert_int_equal(onset(TICK_S, 60), DELAY_GREW);
	assert_int_equal(onset(2 * TICK_S, 60), DELAY_JUMPED);
	assert_int_equal(onset(TICK_S, 60 / BASE_SLACK + 2), DELAY_GREW);
	assert_int_equal(onset(TICK_S, 60 / BASE_SLACK - 2), DELAY_JUMPED);
}

/* T grows by a half of a second each second, as in a queue. */
static double grow(double from_s, double to_s)
{
	double found = 0;

	for (double time_s = from_s; time_s < to_s && found <= 0; time_s += TICK_S / 2)
		found = look(1, 60 * time_s, time_s);
	return found;
}

static void a_t_that_grows_is_believed_for_some_seconds_and_then_t0_is_what_it_was(void **state)
{
	look(30, 3, UNLOADED_S);
	assert_near(grow(.2, DELAY_GROWN_S), 0, 1e-9);
	assert_true(delay_is_believed(&delay));
	assert_near(look(1, 60 * (DELAY_GROWN_S + .1), DELAY_GROWN_S + .1), UNLOADED_S, 1e-9);
	assert_false(delay_is_believed(&delay));
	assert_near(look(100, 60 * 2, 2), 0, 1e-9); /* from now on it has to show it */
}

static void a_t_that_has_jumped_is_believed_for_longer_and_t0_stays(void **state)
{
	look(30, 3, UNLOADED_S);
	look(6, 60 * 3, 3);
	assert_int_equal(delay.onset, DELAY_JUMPED);
	for (double time_s = 4; time_s < 9; time_s /= DELAY_STAYS)
		look(4, 60 * time_s, time_s);
	assert_true(delay_is_believed(&delay));
	assert_near(look(1, 60 * 9, 9.1), 0, 1e-9);
	assert_false(delay_is_believed(&delay));
}

static void a_t_that_is_believed_is_t0_once_it_has_stopped_growing(void **state)
{
	look(30, 3, UNLOADED_S);
	look(20, 120, 2);
	assert_near(look(2, 120, 2), 2, 1e-9); /* it jumped: a second after it is seen first */
	assert_near(proven, 60, 1e-9);
	assert_near(look(1, 240, BASE_SLACK * 2 + .1), UNLOADED_S, 1e-9); /* it grew on */
	assert_true(delay.since_s >= 0); /* but proves nothing only after it was doubted */

	setup_believing(NULL);
	look(30, 3, UNLOADED_S);
	grow(.2, 4);
	delay.looked_s = delay.long_s;
	delay.looked_time_s = 4;
	assert_near(look(39, 60 * 4, 4), 0, 1e-9); /* it grew: for as long as it takes */
	assert_near(look(2, 60 * 4, 4), 4, 1e-9);

	setup_believing(NULL);
	look(30, 3, UNLOADED_S);
	grow(.2, 4);
	delay.looked_s = delay.long_s;
	delay.looked_time_s = 4;
	look(39, 60 * 4, 4);
	assert_near(look(2, 60 * 5, 4 / DELAY_STAYS + .1), 0, 1e-9);
}

static void a_t_that_is_doubted_is_so_until_all_was_well_for_a_minute(void **state)
{
	for (int refusing = 0; refusing < 2; refusing++) {
		setup(NULL);
		tick.refusing = refusing;
		look(590, 3, UNLOADED_S);
		assert_true(delay.doubted);
		look(2, 60 * 2, 2);
		look(590, 3, UNLOADED_S);
		assert_true(delay.doubted);
		look(11, 3, UNLOADED_S);
		assert_int_equal(delay.doubted, refusing);
	}
}

#define TEST(name) cmocka_unit_test_setup(name, setup)
#define BELIEVING(name) cmocka_unit_test_setup(name, setup_believing)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_t_that_stays_while_busy_falls_is_a_delay),
		TEST(a_t_that_follows_busy_is_a_queue),
		TEST(a_t_that_falls_before_the_window_closes_is_seen_anew),
		TEST(while_nothing_ends_and_clients_are_refused_nothing_changes),
		TEST(the_window_must_have_closed_for_as_long_as_a_session_takes),
		TEST(only_a_long_t_of_which_nothing_else_tells_is_looked_at),
		BELIEVING(after_something_else_told_of_an_overload_t_is_not_believed_for_a_second),
		TEST(a_delay_that_grows_with_the_busy_was_a_queue),
		TEST(after_its_probation_a_delay_may_become_slower),
		TEST(a_delay_that_completes_more_may_complete_still_more),
		BELIEVING(
			a_queue_grows_by_a_second_a_second_and_completes_as_much_and_a_jump_does_not),
		BELIEVING(a_t_that_grows_is_believed_for_some_seconds_and_then_t0_is_what_it_was),
		BELIEVING(a_t_that_has_jumped_is_believed_for_longer_and_t0_stays),
		BELIEVING(a_t_that_is_believed_is_t0_once_it_has_stopped_growing),
		TEST(a_t_that_is_doubted_is_so_until_all_was_well_for_a_minute),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
