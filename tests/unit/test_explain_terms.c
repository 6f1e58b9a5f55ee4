/* What explain prints of the window is all that the law made it of: here the window is computed
 * from the text alone, while each of its terms is in force. */
#include "cmocka_test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/array.h"
#include "core/law.h"
#include "publish/explain_terms.h"
#include "window_world.h"

#define FLIGHT (LOAD_IN_FLIGHT | LOAD_OFFERED)
#define ALL (FLIGHT | LOAD_COMPLETED | LOAD_BUSY | LOAD_STUCK)

static char buf[4096];

/* Seconds of a load: 20 messages a second, each of which costs 30 ms of CPU. */
static void run(double seconds, double in_flight, double busy)
{
	for (int i = 0; i < seconds * 10; i++) {
		load.offered += 2;
		load.admitted += 2;
		load.completed += 2;
		load.finished += 2;
		load.busy_us += (uint64_t)(busy * 100000);
		load.server_us += 2 * 50000;
		load.session_us += 2 * 80000;
		load.in_flight = in_flight;
		load.busy = busy;
		step(0.1);
	}
}

static int calm(void **state)
{
	setup(state);
	put(SIGNAL_CPU_STALL_RATIO, 0.1);
	put(SIGNAL_IO_STALL_RATIO, 0);
	put(SIGNAL_MEM_STALL_RATIO, 0);
	put(SIGNAL_MTA_CPU_CORES, 0.6);
	load.known = ALL;
	run(20, 3, 1);
	assert_int_equal(window.view.law, LAW_CAPACITY);
	return 0;
}

/* Only the sessions in flight are seen, as by a policy service. */
static int by_pressure(void **state)
{
	setup(state);
	load.known = FLIGHT;
	run(1, 3, 1);
	assert_int_equal(window.view.law, LAW_SERVO);
	return 0;
}

static const char *explain(void)
{
	static struct status status;
	struct text out = TEXT_OF(buf);

	memset(&status, 0, sizeof(status));
	status.config.services = 1;
	status.config.window_min = config.min;
	status.view.window[0] = window.view;
	status.view.pressure = pressure;
	status.sample = sample;
	status.load.service[0] = load;
	explain_terms(&status, 0, &out);
	return buf;
}

static bool says(const char *words)
{
	return strstr(explain(), words) != NULL;
}

/* Computes the window from the text, from left to right. */
static double computed(const char *text)
{
	double ret = WINDOW_MAX, first, capacity, aimed, unloaded, senders, value;
	char behind;

	if (sscanf(text, " %lf = capacity %lf/s x (%lf ms aimed at + %lf ms unloaded + %lf ms",
		   &first, &capacity, &aimed, &unloaded, &senders) == 5) {
		ret = capacity * (aimed + unloaded + senders) / 1000;
		assert_true(fabs(ret - first) < .05 + .0002 * capacity);
	} else if (sscanf(text, " %lf = what the servo has come to", &first) == 1) {
		ret = first;
	}
	for (; (text = strstr(text, "; ")); text++) {
		if (sscanf(text, "; at least %lf", &value) == 1)
			ret = fmax(ret, value);
		if (sscanf(text, "; at most %lf", &value) == 1)
			ret = fmin(ret, value);
		if (sscanf(text, "; %lf more for%c", &value, &behind) == 2)
			ret += value;
	}
	return ret;
}

static void assert_window(void)
{
	double window_of_text = computed(explain());

	if (fabs(window_of_text - window.view.window) > .1)
		print_error("%f is not the window %f:\n%s\n", window_of_text, window.view.window,
			    buf);
	assert_true(fabs(window_of_text - window.view.window) <= .1);
}

static void nothing_but_the_equation(void **state)
{
	assert_window();
	assert_true(window.view.window > 4);
	assert_false(says("; at "));
	assert_false(says("more for"));
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

/* How fast the text says that the servo's window changes: 0.2 is growth by 20 % a second. */
static double servo_rate(void)
{
	static const struct {
		const char *words;
		double sign;
	} rows[] = { { "it grows by at most ", .01 }, { "it shrinks by ", -.01 } };

	explain();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *at = strstr(buf, rows[i].words);

		if (at)
			return rows[i].sign * strtod(at + strlen(rows[i].words), NULL);
	}
	assert_non_null(strstr(buf, ": it stays"));
	return 0;
}

/* From the window before and the text after it, what it became. */
static void assert_servo_step(double in_flight)
{
	double before = window.view.window;

	run(.1, in_flight, 1);
	if (window.view.hard_binds) /* a signal of memory or space */
		return;
	if (fabs(before * pow(1 + servo_rate(), .1) / window.view.window - 1) >= .001)
		print_error("%f became %f:\n%s\n", before, window.view.window, buf);
	assert_true(fabs(before * pow(1 + servo_rate(), .1) / window.view.window - 1) < .001);
	assert_window();
}

/* Each signal that moves the servo is told, and no other: it changes by what the text says. */
static void the_servo_follows_what_is_told(void **state)
{
	static const double values[] = { .5, 1.4 };

	for (int signal = 0; signal < SIGNAL__COUNT; signal++) {
		for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
			by_pressure(state);
			put(SIGNAL_CONNECT_220_P99_US,
			    1.1 * signal_info[SIGNAL_CONNECT_220_P99_US].target);
			assert_servo_step(110);
			put((enum signal)signal, values[i] * signal_info[signal].target);
			assert_servo_step(110);
		}
	}
}

static void the_servo_grows_stays_and_shrinks_as_told(void **state)
{
	assert_true(says("there is no pressure of a delay: it grows by at most 22.1 % a second"));
	assert_servo_step(110);
	put(SIGNAL_RUNQ_P99_US, .5 * signal_info[SIGNAL_RUNQ_P99_US].target);
	assert_servo_step(110);
	assert_true(says("0.50 (runq_p99_us): it grows"));
	put(SIGNAL_RUNQ_P99_US, 1.5 * signal_info[SIGNAL_RUNQ_P99_US].target);
	assert_servo_step(110);
	assert_true(says("1.50 (runq_p99_us): it shrinks by 52.8 % a second"));
	put(SIGNAL_CONNECT_220_P99_US, .5 * signal_info[SIGNAL_CONNECT_220_P99_US].target);
	assert_servo_step(110);
	assert_true(says(", but mail itself is not slow: it stays"));
	by_pressure(state);
	sample_clear(&sample, now_us);
	put(SIGNAL_CPU_STALL_RATIO, 0);
	put(SIGNAL_IO_STALL_RATIO, 0);
	put(SIGNAL_MEM_STALL_RATIO, 0);
	put(SIGNAL_BLKIO_P99_US, 1.5 * signal_info[SIGNAL_BLKIO_P99_US].target);
	run(5, 110, 1);
	assert_servo_step(110);
	assert_true(says(", but the machine is idle: it stays"));
	/* No delay is known: it follows the share of time in which the server's tasks stall. */
	by_pressure(state);
	put(SIGNAL_CPU_STALL_RATIO, .6);
	run(.3, 110, 1);
	assert_servo_step(110);
	assert_true(says(" (saturation): it grows by at most "));
}

static void the_servo_has_the_other_terms_too(void **state)
{
	load.known |= LOAD_STUCK;
	load.stuck = 5;
	run(.1, 50, 1);
	assert_true(says("; 5 more for those that are stuck"));
	assert_window();
	config.max = 20;
	window_configure(&window, &config);
	run(.1, 50, 1);
	assert_true(says("   the servo allows more; at most 20: "));
	assert_window();
	/* What waits behind the server limits the rate alone. */
	queue_allowed_per_s = 1;
	run(.1, 50, 1);
	assert_false(says("behind it"));
	assert_window();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(nothing_but_the_equation, calm),
		cmocka_unit_test_setup(the_least_window, calm),
		cmocka_unit_test_setup(stuck_sessions, calm),
		cmocka_unit_test_setup(sessions_on_trial, calm),
		cmocka_unit_test_setup(a_cliff, calm),
		cmocka_unit_test_setup(what_waits_behind_the_server, calm),
		cmocka_unit_test_setup(growth_that_is_frozen, calm),
		cmocka_unit_test_setup(everything_at_once, calm),
		cmocka_unit_test_setup(the_servo_follows_what_is_told, by_pressure),
		cmocka_unit_test_setup(the_servo_grows_stays_and_shrinks_as_told, by_pressure),
		cmocka_unit_test_setup(the_servo_has_the_other_terms_too, by_pressure),
	};

	return cmocka_run_group_tests_name("explain_terms", tests, NULL, NULL);
}
