/* What explain prints of the servo is all that the servo made of its window: here it is computed
 * from the text alone. */
#include "cmocka_test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "terms_world.h"

/* Only the sessions in flight are seen, as by a policy service. */
static int by_pressure(void **state)
{
	setup(state);
	load.known = FLIGHT;
	run(1, 3, 1);
	assert_int_equal(window.view.law, LAW_SERVO);
	return 0;
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
		cmocka_unit_test_setup(the_servo_follows_what_is_told, by_pressure),
		cmocka_unit_test_setup(the_servo_grows_stays_and_shrinks_as_told, by_pressure),
		cmocka_unit_test_setup(the_servo_has_the_other_terms_too, by_pressure),
	};

	return cmocka_run_group_tests_name("explain_servo", tests, NULL, NULL);
}
