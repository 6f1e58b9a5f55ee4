/* What explain prints of the window and of the capacity is all that the law made them of: here both
 * are computed from the text alone, while each of the terms is in force. */
#include "cmocka_test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/array.h"
#include "core/law.h"
#include "terms_world.h"

static int calm(void **state)
{
	setup(state);
	put(SIGNAL_CPU_STALL_RATIO, 0.1);
	put(SIGNAL_IO_STALL_RATIO, 0);
	put(SIGNAL_MEM_STALL_RATIO, 0);
	put(SIGNAL_MTA_CPU_CORES, 0.6);
	load.known = ALL;
	server_time_s = .05;
	run(20, 3, 1);
	assert_int_equal(window.view.law, LAW_CAPACITY);
	return 0;
}

static void nothing_but_the_equation(void **state)
{
	assert_window();
	assert_true(window.view.window > 4);
	assert_false(says("; at "));
	assert_false(says("more for"));
}

/* What the text says of the capacity: how it is predicted, and where it goes. */
struct told_capacity {
	double predicted, trust, completed, to, time_s, least;
	bool stays;
};

/* The prediction that follows from its terms in the text; they are printed in one of four ways. */
static double predicted_of_terms(const char *text)
{
	double cores_usable, cores, cost_ms, times, rate, more, predicted;

	if (sscanf(text, "predicted %*f/s (%lf x %lf cores / %lf ms of CPU", &cores_usable, &cores,
		   &cost_ms) == 3 ||
	    sscanf(text, "assumed %*f/s (%lf x %lf cores / %lf ms, until", &cores_usable, &cores,
		   &cost_ms) == 3)
		return cores_usable * cores / cost_ms * 1000;
	if (sscanf(text, "tried %lf/s (%lf x %lf completed + %lf)", &predicted, &times, &rate,
		   &more) != 4)
		assert_int_equal(sscanf(text,
					"tried %lf/s (%lf x %lf by the stalls of the disk"
					" + %lf)",
					&predicted, &times, &rate, &more),
				 4);
	return times * rate + more;
}

static struct told_capacity told_capacity(void)
{
	static const char line[] = "\n   capacity: ";
	struct told_capacity ret = { 0 };
	const char *text = strstr(explain(), line), *goes;

	assert_non_null(text);
	text += sizeof(line) - 1;
	ret.predicted = predicted_of_terms(text);
	text = strstr(text, ") x trust ");
	assert_non_null(text);
	assert_int_equal(sscanf(text, ") x trust %lf; completed %lf/s", &ret.trust, &ret.completed),
			 2);
	goes = strstr(text, "; it goes to ");
	ret.stays = !goes;
	if (goes)
		assert_int_equal(sscanf(goes, "; it goes to %lf/s, 63 %% of the way in %lf s",
					&ret.to, &ret.time_s),
				 2);
	else
		assert_non_null(strstr(text, "; it stays, "));
	assert_int_equal(sscanf(strstr(text, ", at least "), ", at least %lf/s", &ret.least), 1);
	return ret;
}

/* Where it goes, from the prediction, trust and what is completed: core/capacity.c. */
static double destination(const struct told_capacity *t, double before)
{
	double seen = fmax(t->predicted * t->trust, t->completed);

	switch (window.view.regime) {
	case REGIME_FREE:
		return seen;
	case REGIME_CAPPED:
		return fmin(seen, before);
	case REGIME_CLOSING:
	case REGIME_OVER:
		return t->completed;
	default:
		return before;
	}
}

/* A tick: from the capacity before it and the text after it, what the capacity became. */
static void assert_capacity_step(double in_flight, double busy)
{
	double before = window.view.capacity_per_s, expected;
	struct told_capacity t;

	run(.1, in_flight, busy);
	t = told_capacity();
	expected = t.stays ? before : before + (t.to - before) * (1 - exp(-.1 / t.time_s));
	expected = fmax(expected, t.least);
	if (fabs(expected / window.view.capacity_per_s - 1) >= .002 ||
	    (!t.stays && fabs(destination(&t, before) / t.to - 1) >= .002))
		print_error("%f became %f, and it should be %f:\n%s\n", before,
			    window.view.capacity_per_s, expected, buf);
	assert_true(fabs(expected / window.view.capacity_per_s - 1) < .002);
	assert_true(t.stays || fabs(destination(&t, before) / t.to - 1) < .002);
	assert_true(t.least + .01 >= t.completed);
}

static void ticks(int count, double in_flight, double busy)
{
	for (int i = 0; i < count; i++)
		assert_capacity_step(in_flight, busy);
}

static void the_capacity_follows_the_cpu_of_a_message(void **state)
{
	assert_int_equal(window.view.regime, REGIME_FREE);
	ticks(5, 3, 1);
	assert_true(says("capacity: predicted 32.33/s (0.97 x 1.00 cores / 30.00"));
	assert_true(says("free: capacity follows what the CPU of a message predicts; "));
	put(SIGNAL_MTA_CPU_CORES, 0.3); /* a message costs less from now on */
	ticks(100, 3, 1);
	assert_true(window.view.capacity_per_s > 50);
	/* A sensor is lost: no growth. */
	sample.via[SIGNAL_MTA_CPU_CORES] = VIA_NONE;
	ticks(5, 3, 1);
	assert_int_equal(window.view.regime, REGIME_CAPPED);
}

static void the_capacity_follows_what_is_completed_over_the_knee(void **state)
{
	put(SIGNAL_MTA_CPU_CORES, 0.1);
	run(20, 3, 1);
	put(SIGNAL_CPU_STALL_RATIO, .7);
	put(SIGNAL_ACCEPT_QUEUE_RATIO, .2); /* T alone would not show it */
	server_time_s = 2;
	ticks(150, 42, 40);
	assert_int_equal(window.view.regime, REGIME_OVER);
	assert_true(told_capacity().trust < .5);
	/* What the server has proven is forgotten slowly. */
	put(SIGNAL_ACCEPT_QUEUE_RATIO, 0);
	server_time_s = .05;
	ticks(100, 3, 1);
	assert_int_equal(window.view.regime, REGIME_FREE);
	assert_true(told_capacity().trust < .9);
}

static void the_capacity_falls_or_stays_on_a_saturated_machine(void **state)
{
	put(SIGNAL_MTA_CPU_CORES, 0.1);
	run(20, 3, 1);
	put(SIGNAL_CPU_STALL_RATIO, 1);
	ticks(30, 3, 1);
	assert_int_equal(window.view.regime, REGIME_STEADY);
	assert_true(says("; it stays, at least "));
	ticks(5, 8, 7);
	assert_int_equal(window.view.regime, REGIME_CLOSING);
}

static void the_capacity_is_assumed_or_tried_without_the_cpu_of_a_message(void **state)
{
	setup(state);
	put(SIGNAL_CPU_STALL_RATIO, .1);
	put(SIGNAL_IO_STALL_RATIO, 0);
	load.known = ALL;
	run(.2, 3, 1);
	ticks(5, 3, 1);
	assert_true(says("capacity: assumed 97.00/s (0.97 x 1.00 cores / 10.0000 ms, until"));
	assert_true(says("free: capacity follows what is assumed until messages were seen; "));
	run(20, 3, 1);
	ticks(5, 3, 1);
	assert_true(says("capacity: tried 60.00/s (2 x 20.00 completed + 20)"));
	assert_true(says("free: capacity is tried in steps above what is completed; "));
	assert_false(says("predict"));
	put(SIGNAL_IO_STALL_RATIO, .8);
	run(20, 3, 1);
	ticks(5, 3, 1);
	assert_true(says("capacity: tried 60.00/s (2 x 20.00 completed + 20)"));
	put(SIGNAL_MTA_CPU_CORES, .05);
	run(20, 3, 1);
	ticks(5, 3, 1);
	assert_true(says(" by the stalls of the disk + 20)"));
	assert_true(says("free: capacity is tried up to what the stalls of the disk allow; "));
}

static void the_least_window(void **state)
{
	config.min = 100;
	window_configure(&window, &config);
	run(.1, 3, 1);
	assert_true(says("; at least 100"));
	assert_window();
	assert_true(window.view.window == 100);
}

static void stuck_sessions(void **state)
{
	load.stuck = 5;
	run(.1, 8, 1);
	assert_true(says("; 5 more for those that are stuck"));
	assert_window();
}

static void sessions_on_trial(void **state)
{
	load.stuck = 2;
	run(1, 42, 40);
	assert_true(window.view.lets_in);
	assert_true(
		says("; at least 48: 8 are let in on trial, although the window is full; 2 more"));
	assert_window();
	/* The window has places for them without that. */
	config.min = 60;
	window_configure(&window, &config);
	run(.1, 42, 40);
	assert_true(window.view.lets_in);
	assert_false(says("on trial"));
	assert_window();
}

static void a_cliff(void **state)
{
	config.max = 6;
	window_configure(&window, &config);
	run(.1, 3, 1);
	assert_true(window.view.hard_binds);
	assert_true(says("; at most 6: "));
	assert_window();
	assert_true(window.view.window == 6);
	/* The queue allows more than that, so it is not to blame. */
	queue_allowed_per_s = 1000;
	run(.1, 3, 1);
	assert_false(says("behind it"));
	assert_window();
}

static void what_waits_behind_the_server(void **state)
{
	queue_allowed_per_s = 25;
	run(.1, 3, 1);
	assert_true(says(" by what waits behind it: 25.00/s x the same times"));
	assert_window();
	assert_true(window.view.window < window.view.equation);
	/* Both, and the lower one counts. */
	config.max = 6;
	config.min = 1;
	window_configure(&window, &config);
	queue_allowed_per_s = 5;
	run(.1, 3, 1);
	assert_true(says("; at most 6: "));
	assert_true(says(" by what waits behind it: 5.00/s x the same times\n"));
	assert_window();
	/* It never takes the least window. */
	config.min = 4;
	window_configure(&window, &config);
	run(.1, 3, 1);
	assert_true(says("; at most 4.00 by what waits behind it: "));
	assert_true(says(", and not less than the least window\n"));
	assert_window();
}

static void growth_that_is_frozen(void **state)
{
	assert_false(says("does not grow"));
	sample.via[SIGNAL_MTA_CPU_CORES] = VIA_NONE;
	run(.1, 3, 1);
	assert_true(says("; the window does not grow: a signal that it depends on was lost"));
	assert_window();
	put(SIGNAL_MTA_CPU_CORES, 0.6);
	run(.1, 3, 1);
	assert_false(says("does not grow"));
}

static void everything_at_once(void **state)
{
	config.min = 100;
	config.max = 104;
	window_configure(&window, &config);
	load.stuck = 7;
	queue_allowed_per_s = 25;
	run(.1, 30, 28);
	assert_true(says("; at least 100; 7 more for those that are stuck; at most 104: "));
	assert_true(says("; at most 100.00 by what waits behind it: "));
	assert_window();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(nothing_but_the_equation, calm),
		cmocka_unit_test_setup(the_capacity_follows_the_cpu_of_a_message, calm),
		cmocka_unit_test_setup(the_capacity_follows_what_is_completed_over_the_knee, calm),
		cmocka_unit_test_setup(the_capacity_falls_or_stays_on_a_saturated_machine, calm),
		cmocka_unit_test_setup(
			the_capacity_is_assumed_or_tried_without_the_cpu_of_a_message, calm),
		cmocka_unit_test_setup(the_least_window, calm),
		cmocka_unit_test_setup(stuck_sessions, calm),
		cmocka_unit_test_setup(sessions_on_trial, calm),
		cmocka_unit_test_setup(a_cliff, calm),
		cmocka_unit_test_setup(what_waits_behind_the_server, calm),
		cmocka_unit_test_setup(growth_that_is_frozen, calm),
		cmocka_unit_test_setup(everything_at_once, calm),
	};

	return cmocka_run_group_tests_name("explain_terms", tests, NULL, NULL);
}
