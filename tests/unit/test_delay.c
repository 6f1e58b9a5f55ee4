#include "cmocka_test.h"

#include <math.h>

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
	delay = (struct delay){ .doubted = true };
	return 0;
}

/* Nothing has shown yet that a long T is a queue. */
static int setup_believing(void **state)
{
	setup(state);
	delay.doubted = false;
	return 0;
}

static bool is_believed(void)
{
	return delay.jumped && !delay.doubted;
}

/* Ticks with so many busy sessions and such a T, until something is found. Returns the new T0, or
 * 0. */
static double look(int ticks, double busy, double time_s)
{
	double found = 0;

	while (ticks-- > 0 && found <= 0) {
		rates = (struct rates){
			.busy = busy, .completed = busy / time_s, .done = 1, .done_time = time_s
		};
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

static void a_t_that_follows_busy_is_a_queue(void **state)
{
	const double least = DELAY_STAYS * 2;

	look(100, 120, 2);
	assert_near(look(100, 50, least - .01), 0, 1e-9);
	/* What counts is what was busy since T stays. */
	assert_near(look(100, 50 / BASE_SLACK + 1, least - .01), 0, 1e-9);
	assert_true(look(100, 50 / BASE_SLACK - 1, least - .01) > 0);
	setup(NULL);
	look(100, 120, 2);
	assert_true(look(100, 50, least + .01) > 0);
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

static void only_a_long_t_without_a_witness_is_looked_at(void **state)
{
	for (int i = 0; i < 6; i++) {
		double time_s = 2;

		setup(NULL);
		look(100, 120, 2);
		switch (i) {
		case 1:
			tick.machine = MACHINE_LOADED;
			break;
		case 2:
			tick.server = SERVER_SHORT_OF_SLOTS;
			break;
		case 3:
			load.ungreeted = 20;
			break;
		case 4:
			time_s = BASE_SLACK * UNLOADED_S + TIME_GOOD_S;
			break;
		case 5:
			config.without = 1u << WINDOW_PART_DELAY;
			break;
		}
		assert_int_equal(look(100, 50, time_s) > 0, i == 0);
	}
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
 * it is looked whether it jumped, and so much is completed. Returns whether it is believed. */
static bool is_believed_at(double grows_s, double completed)
{
	look(2000, 60 * UNLOADED_S, UNLOADED_S);
	for (int i = 1; i <= (int)(DELAY_JUMPS_S / TICK_S); i++) {
		double time_s = BASE_SLACK * UNLOADED_S + TIME_GOOD_S + .01 + i * grows_s;

		assert_near(look(1, completed * time_s, time_s), 0, 1e-9);
		assert_int_equal(is_believed(), i == 5 && !delay.doubted);
	}
	return is_believed();
}

static void a_t_that_grows_as_in_a_queue_is_doubted(void **state)
{
	assert_false(is_believed_at(TICK_S, 60));
	setup_believing(NULL);
	assert_true(is_believed_at(2 * TICK_S, 60)); /* a queue cannot grow so fast */
	setup_believing(NULL);
	assert_false(is_believed_at(TICK_S, 60 / BASE_SLACK + 2));
	setup_believing(NULL);
	assert_true(is_believed_at(TICK_S, 60 / BASE_SLACK - 2)); /* nor complete less */
	setup_believing(NULL);
	look(300, 3, UNLOADED_S);
	delay.short_s = 4; /* a delay that ends: T0 is short again before T is */
	look(100, 60 * 3, 3);
	assert_false(delay.doubted);
}

static void a_t_that_is_believed_is_a_delay_once_it_has_stopped_growing(void **state)
{
	look(300, 3, UNLOADED_S);
	assert_near(look(19, 120, 2), 0, 1e-9);
	assert_true(is_believed());
	assert_near(look(2, 120, 2), 2, 1e-9);
	assert_near(proven, 60, 1e-9);
	setup_believing(NULL);
	look(300, 3, UNLOADED_S);
	for (double time_s = 1; time_s < DELAY_BELIEVED_S / 2; time_s *= pow(1 / DELAY_STAYS, .11))
		assert_near(look(1, 60 * time_s, time_s), 0, 1e-9);
}

static void a_t_beyond_the_objective_is_not_believed(void **state)
{
	look(300, 3, UNLOADED_S);
	assert_near(look(100, 60 * 10, 10), 0, 1e-9);
	assert_false(is_believed());
	setup_believing(NULL);
	look(300, 3, UNLOADED_S);
	assert_true(look(100, 60 * 8, 8) > 0);
}

static void a_t_that_grew_on_is_doubted_until_all_was_well_for_a_minute(void **state)
{
	look(300, 3, UNLOADED_S);
	assert_near(look(100, 120, 2), 2, 1e-9);
	assert_near(look(1, 240, BASE_SLACK * 2 + .1), UNLOADED_S, 1e-9);
	delay.since_s = 0; /* as if the pause were over */
	look(599, 3, UNLOADED_S);
	assert_near(look(100, 120, 2), 0, 1e-9);
	look(601, 3, UNLOADED_S);
	assert_true(look(100, 120, 2) > 0);
	assert_near(look(1, 240, BASE_SLACK * 2 + .1), UNLOADED_S, 1e-9); /* once more */
	delay.since_s = 0;
	tick.refusing = true;
	look(700, 3, UNLOADED_S);
	assert_near(look(100, 120, 2), 0, 1e-9);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)
#define BELIEVING(name) cmocka_unit_test_setup(name, setup_believing)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_t_that_stays_while_busy_falls_is_a_delay),
		TEST(a_t_that_follows_busy_is_a_queue),
		TEST(the_window_must_have_closed_for_as_long_as_a_session_takes),
		TEST(only_a_long_t_without_a_witness_is_looked_at),
		TEST(a_delay_that_grows_with_the_busy_was_a_queue),
		TEST(after_its_probation_a_delay_may_become_slower),
		TEST(a_delay_that_completes_more_may_complete_still_more),
		BELIEVING(a_t_that_grows_as_in_a_queue_is_doubted),
		BELIEVING(a_t_that_is_believed_is_a_delay_once_it_has_stopped_growing),
		BELIEVING(a_t_beyond_the_objective_is_not_believed),
		BELIEVING(a_t_that_grew_on_is_doubted_until_all_was_well_for_a_minute),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
