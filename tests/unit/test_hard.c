#include "cmocka_test.h"

#include <math.h>

#include "window_world.h"

/* W_hard: memory, space and slots, in a whole window. */

/* Sessions come and go between 10 and 20. */
static void breathe(unsigned seconds, double bytes_each)
{
	for (unsigned i = 0; i < seconds; i++) {
		put(SIGNAL_MTA_MEM_BYTES, (i % 10 < 5 ? 10 : 20) * bytes_each);
		jobs(10, 1, i % 10 < 5 ? 10 : 20, 4);
	}
}

static void the_need_of_a_session_rises_in_seconds_and_falls_in_a_minute(void **state)
{
	idle_machine();
	breathe(300, 8e6);
	assert_near(window.memory.per_session, 8e6, 0.4e6);
	breathe(10, 32e6);
	assert_near(window.memory.per_session, 10.3e6, 0.5e6); /* the regression takes 20 s */
	breathe(90, 32e6);
	assert_true(window.memory.per_session > 28e6);
	breathe(40, 8e6);
	/* In 40 s, of which the regression takes 20. */
	assert_near(window.memory.per_session, 28.6e6, 2e6);
}

/* 10 sessions hold 60 MB of what the limit leaves; sessions are guessed to need 10.5 MB. */
static void limit(double bytes)
{
	put(SIGNAL_MTA_MEM_LIMIT_BYTES, bytes);
	put(SIGNAL_MEM_AVAILABLE_BYTES, bytes - 60e6);
}

static void no_limit(void)
{
	sample.via[SIGNAL_MTA_MEM_LIMIT_BYTES] = VIA_NONE;
	put(SIGNAL_MEM_AVAILABLE_BYTES, 24e9);
}

/* Set, changed, or found again after the server's restart. */
static void a_memory_limit_is_not_memory_that_others_took(void **state)
{
	static const double limits[] = { 240e6, 480e6, 300e6 };

	idle_machine();
	no_limit();
	jobs(100, 1, 10, 4);
	assert_true(window.view.hard > 2000);
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		double places = (limits[i] - 60e6) / 10.5e6 + 10;

		limit(limits[i]);
		for (unsigned tick = 0; tick < 100; tick++) {
			jobs(1, 1, 10, 4);
			assert_near(window.view.hard, places, 1);
		}
	}
	no_limit();
	jobs(20, 1, 10, 4);
	limit(240e6);
	jobs(1, 1, 10, 4);
	assert_near(window.view.hard, 180e6 / 10.5e6 + 10, 1);
}

/* The processes of the sessions that end stay for the next ones. */
static void memory_that_ended_sessions_keep_is_not_taken_by_others(void **state)
{
	idle_machine();
	limit(240e6);
	put(SIGNAL_MTA_MEM_BYTES, 60e6);
	jobs(50, 1, 26, 4);
	for (unsigned in_flight = 26; in_flight > 2; in_flight -= 2) {
		jobs(1, 1, in_flight, 2);
		assert_true(window.view.hard >= 180e6 / 10.5e6);
	}
	for (unsigned tick = 0; tick < 50; tick++) {
		jobs(1, 1, 2, 2);
		assert_true(window.view.hard >= 180e6 / 10.5e6);
	}
}

/* As the log says when a value is frozen. */
static void without_a_reading_memory_bounds_for_two_seconds(void **state)
{
	idle_machine();
	limit(240e6);
	jobs(10, 1, 10, 4);
	sample.via[SIGNAL_MEM_AVAILABLE_BYTES] = VIA_NONE;
	jobs(19, 1, 10, 4);
	assert_true(window.view.hard > 0);
	jobs(2, 1, 10, 4);
	assert_true(window.view.hard < 0);
}

static void a_session_takes_a_mebibyte_of_the_spool(void **state)
{
	config.disk_reserve_bytes = 50 * 1048576.0;
	window_init(&window, &config);
	idle_machine();
	put(SIGNAL_SPOOL_FREE_BYTES, 60 * 1048576.0);
	jobs(1, 1, 0, 0);
	assert_near(window.view.hard, 10, 0.01);
}

static void hard_limits_join_by_min(void **state)
{
	idle_machine();
	put(SIGNAL_MEM_AVAILABLE_BYTES, 110.0 * 1048576);
	traffic(1, 20, 20, 0, 0, 0, SEEN_ALL);
	assert_near(window.view.window, 10, 1); /* 10 MiB a session and a tenth of margin */
	assert_true(window.view.hard_binds);
	assert_int_equal(plan.reason, REASON_MEMORY);
	put(SIGNAL_SPOOL_FREE_BYTES, 0);
	traffic(1, 20, 20, 0, 0, 0, SEEN_ALL);
	assert_int_equal(plan.window, 0);
	assert_int_equal(plan.reason, REASON_DISK);
	sample.via[SIGNAL_SPOOL_FREE_BYTES] = sample.via[SIGNAL_MEM_AVAILABLE_BYTES] = VIA_NONE;
	config.max = 7;
	window_configure(&window, &config);
	traffic(1, 20, 20, 0, 0, 0, SEEN_ALL);
	assert_int_equal(plan.window, 7);
	assert_int_equal(plan.reason, REASON_SMTP);
}

/* The CPU would do 97 a second; memory has ten places of .5 s each. Who waits in front gets one of
 * those that come free, and 30 a second are an overload. */
static void where_memory_binds_places_come_free_by_the_window(void **state)
{
	idle_machine();
	traffic(20, 20, 20, 0, 2, 1, SEEN_ALL);
	assert_near(window.view.passing_per_s, 97, 15);
	window.config.session_memory_bytes = 10 * 1048576;
	put(SIGNAL_MEM_AVAILABLE_BYTES, 0);
	for (int i = 0; i < 30; i++) {
		load.finished += 2;
		load.session_us += 1000000;
		traffic(0.1, 30, 20, 0, 10, 0.1, SEEN_ALL);
	}
	assert_true(window.view.hard_binds);
	assert_near(window.view.capacity_per_s, 97, 15);
	assert_near((int)plan.pass_milli, 20000, 5000);
	traffic(8, 30, 20, 0, 10, 0.1, SEEN_ALL);
	assert_near((int)plan.hold_us, 200000, 1000);
}

static void memory_that_is_all_gone_still_lets_one_through(void **state)
{
	idle_machine();
	put(SIGNAL_MEM_AVAILABLE_BYTES, 0);
	traffic(5, 20, 0, 10, 0, 0, SEEN_ALL);
	assert_int_equal(plan.window, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_need_of_a_session_rises_in_seconds_and_falls_in_a_minute,
				       setup),
		cmocka_unit_test_setup(a_memory_limit_is_not_memory_that_others_took, setup),
		cmocka_unit_test_setup(memory_that_ended_sessions_keep_is_not_taken_by_others,
				       setup),
		cmocka_unit_test_setup(without_a_reading_memory_bounds_for_two_seconds, setup),
		cmocka_unit_test_setup(a_session_takes_a_mebibyte_of_the_spool, setup),
		cmocka_unit_test_setup(hard_limits_join_by_min, setup),
		cmocka_unit_test_setup(where_memory_binds_places_come_free_by_the_window, setup),
		cmocka_unit_test_setup(memory_that_is_all_gone_still_lets_one_through, setup),
	};

	return cmocka_run_group_tests_name("hard", tests, NULL, NULL);
}
