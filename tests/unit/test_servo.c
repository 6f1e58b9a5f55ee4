#include "cmocka_test.h"

#include <math.h>

#include "window_world.h"

/* One signal of mail's own delay, `pressure` times its target. */
static void servo(double delay, double dt_s)
{
	put(SIGNAL_CPU_STALL_RATIO, 1);
	put(SIGNAL_CONNECT_220_P99_US, delay * signal_info[SIGNAL_CONNECT_220_P99_US].target);
	load.known = LOAD_IN_FLIGHT | LOAD_OFFERED;
	step(dt_s);
}

/* By how much W grows or falls in so many ticks, in e-folds. */
static double folds(double delay, unsigned ticks, double used)
{
	double before = window.view.window;

	for (unsigned i = 0; i < ticks; i++) {
		load.in_flight = used * window.view.window;
		servo(delay, 0.1);
	}
	return log(window.view.window / before);
}

static void begin_servo(double delay)
{
	config.max = 10000;
	window_init(&window, &config);
	load.in_flight = 0;
	for (int i = 0; i < 20; i++) /* the saturation is smoothed */
		servo(delay, 0.1);
	window.servo.window = window.view.window = 1000;
}

static void the_servo_grows_by_two_hundredths_a_tick_and_falls_by_fifteen(void **state)
{
	begin_servo(0);
	put(SIGNAL_RUNQ_P99_US, 0.01 * signal_info[SIGNAL_RUNQ_P99_US].target);
	folds(0, 3, 0.96);
	check_near(folds(0, 10, 0.96), 0.2, 0.01);
	begin_servo(3);
	check_near(folds(3, 10, 0), -1.5, 0.01);
}

/* 8 is all that the plan gives then. */
static void the_servo_grows_from_8_4_places_with_8_in_use(void **state)
{
	begin_servo(0);
	put(SIGNAL_RUNQ_P99_US, 0.01 * signal_info[SIGNAL_RUNQ_P99_US].target);
	window.servo.window = 8.45;
	load.in_flight = 8;
	servo(0, 0.1);
	assert_true(window.view.window > 8.5);
	load.in_flight = 7;
	servo(0, 1);
	assert_true(window.view.window < 9);
}

static void after_a_pause_the_servo_falls_no_further_than_a_third(void **state)
{
	begin_servo(3);
	load.in_flight = 0;
	servo(3, 2);
	check_near(window.view.window, 700, 0.1);
}

static void below_its_objective_mail_is_not_harmed(void **state)
{
	begin_servo(0.9);
	put(SIGNAL_RUNQ_P99_US, 3 * signal_info[SIGNAL_RUNQ_P99_US].target);
	check_near(folds(0.9, 20, 0), 0, 0.5);
	check_near(folds(0.9, 20, 0), 0, 0.001);
	assert_true(folds(1.1, 20, 0) < -2);
}

static void the_servo_cuts_only_where_mail_is_harmed(void **state)
{
	double before;

	idle_machine();
	put(SIGNAL_CPU_STALL_RATIO, 1);
	put(SIGNAL_RUNQ_P99_US, 500000);
	put(SIGNAL_CONNECT_220_P99_US, 20000); /* a tenth of its objective: no harm */
	traffic(1, 50, 0, 0, 40, 0, SEEN_FLIGHT);
	before = window.view.window;
	traffic(20, 50, 0, 0, 40, 0, SEEN_FLIGHT);
	assert_near(window.view.window, before, 0.01);
	put(SIGNAL_CONNECT_220_P99_US, 900000);
	traffic(20, 50, 0, 0, 40, 0, SEEN_FLIGHT);
	assert_true(window.view.window < 0.5 * before);
}

static void the_servo_cuts_nothing_on_an_idle_machine_without_harm(void **state)
{
	idle_machine();
	put(SIGNAL_DISK_AWAIT_US, 900000); /* long, and no task stalls */
	put(SIGNAL_CONNECT_220_P99_US, 400000);
	traffic(20, 50, 0, 0, 40, 0, SEEN_FLIGHT);
	assert_near(window.view.window, 100, 0.01); /* where it starts */
}

static void the_servo_does_not_fall_far_below_what_is_in_flight(void **state)
{
	idle_machine();
	put(SIGNAL_CPU_STALL_RATIO, 1);
	put(SIGNAL_CONNECT_220_P99_US, 5e6);
	traffic(60, 50, 0, 0, 80, 0, SEEN_FLIGHT);
	assert_near(window.view.window, 0.7 * 80, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(
			the_servo_grows_by_two_hundredths_a_tick_and_falls_by_fifteen, setup),
		cmocka_unit_test_setup(the_servo_grows_from_8_4_places_with_8_in_use, setup),
		cmocka_unit_test_setup(after_a_pause_the_servo_falls_no_further_than_a_third,
				       setup),
		cmocka_unit_test_setup(below_its_objective_mail_is_not_harmed, setup),
		cmocka_unit_test_setup(the_servo_cuts_only_where_mail_is_harmed, setup),
		cmocka_unit_test_setup(the_servo_cuts_nothing_on_an_idle_machine_without_harm,
				       setup),
		cmocka_unit_test_setup(the_servo_does_not_fall_far_below_what_is_in_flight, setup),
	};

	return cmocka_run_group_tests_name("servo", tests, NULL, NULL);
}
