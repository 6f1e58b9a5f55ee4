#include "cmocka_test.h"

#include <math.h>

#include "core/engine.h"
#include "window_world.h"

/* Figures of the law that no scenario fixes, since they guard what no plant of the simulator does.
 * Each test stands on both sides of its figure (core/law.h). */

/* One job each `every` ticks of a tenth of a second; 0: none. */
static void run(unsigned ticks, unsigned every, double in_flight, double busy)
{
	load.known = LOAD_IN_FLIGHT | LOAD_OFFERED | LOAD_COMPLETED | LOAD_BUSY | LOAD_UNGREETED;
	for (unsigned i = 1; i <= ticks; i++) {
		if (every && i % every == 0) {
			load.offered++;
			load.admitted++;
			load.completed++;
			load.finished++;
			load.session_us += 60000000;
			load.server_us += 10000;
		}
		load.busy_us += (uint64_t)(busy * 100000);
		load.in_flight = in_flight;
		load.busy = busy;
		step(0.1);
	}
}

/* assert_near() is a macro that asks twice. */
static void check_near(double value, double expected, double within)
{
	assert_near(value, expected, within);
}

static void idle_machine(void)
{
	put(SIGNAL_CPU_STALL_RATIO, 0.1);
	put(SIGNAL_IO_STALL_RATIO, 0);
	put(SIGNAL_MEM_STALL_RATIO, 0);
	put(SIGNAL_MTA_CPU_CORES, 0.2);
}

static void on_two_cores_stalls_count_as_far_as_the_cores_are_used(void **state)
{
	config.cores = 2;
	window_init(&window, &config);
	put(SIGNAL_CPU_STALL_RATIO, 1);
	put(SIGNAL_CPU_BUSY_RATIO, 0.3);
	run(30, 1, 1, 1);
	assert_near(window.view.saturation, 0.3 / 0.93, 0.01);
	config.cores = 1;
	window_init(&window, &config);
	run(30, 1, 1, 1);
	assert_near(window.view.saturation, 1, 0.01);
}

static void a_server_hangs_that_completes_less_than_one_in_five_seconds(void **state)
{
	idle_machine();
	run(50, 1, 2, 1);
	put(SIGNAL_CPU_STALL_RATIO, 0.7);
	run(30, 4, 20, 20); /* 2.5 a second */
	assert_false(window.view.server & SERVER_HANGS);
	run(20, 0, 20, 20);
	assert_false(window.view.server & SERVER_HANGS); /* .34 a second, smoothed */
	run(10, 0, 20, 20);
	assert_true(window.view.server & SERVER_HANGS); /* .12 */
}

static void half_of_those_who_wait_must_be_accepted_to_say_greetings_are_late(void **state)
{
	idle_machine();
	load.ungreeted = 10;
	put(SIGNAL_ACCEPT_QUEUE_COUNT, 4);
	run(30, 1, 10, 10);
	assert_true(window.view.server & SERVER_GREETS_LATE);
	put(SIGNAL_ACCEPT_QUEUE_COUNT, 6);
	run(30, 1, 10, 10);
	assert_false(window.view.server & SERVER_GREETS_LATE);
}

static void fewer_than_one_in_five_seconds_do_not_tell_what_a_job_costs(void **state)
{
	idle_machine();
	run(400, 10, 1, 1);
	assert_true(window.view.cpu_per_job_s > 0);
	run(400, 17, 1, 1); /* .6 a second */
	assert_true(window.view.cpu_per_job_s > 0);
	run(20, 0, 1, 1); /* .3 a second, smoothed */
	assert_true(window.view.cpu_per_job_s > 0);
	run(20, 0, 1, 1); /* .15 */
	assert_true(window.view.cpu_per_job_s < 0);
}

static void fewer_than_one_in_five_seconds_tell_no_think_time(void **state)
{
	idle_machine();
	run(400, 10, 1, 0);
	assert_true(window.view.think_time_s > 30);
	run(40, 0, 1, 0); /* .3 a second, smoothed */
	assert_true(window.view.think_time_s > 30);
	run(30, 0, 1, 0); /* .1 */
	assert_true(window.view.think_time_s < 10);
}

static void memory_is_the_reason_from_a_fifth_of_stall_on(void **state)
{
	idle_machine();
	put(SIGNAL_MEM_STALL_RATIO, 0.19);
	run(30, 1, 4, 4);
	assert_int_not_equal(plan.reason, REASON_MEMORY);
	put(SIGNAL_MEM_STALL_RATIO, 0.21);
	run(30, 1, 4, 4);
	assert_int_equal(plan.reason, REASON_MEMORY);
}

/* Sessions come and go between 10 and 20. */
static void breathe(unsigned seconds, double bytes_each)
{
	for (unsigned i = 0; i < seconds; i++) {
		put(SIGNAL_MTA_MEM_BYTES, (i % 10 < 5 ? 10 : 20) * bytes_each);
		run(10, 1, i % 10 < 5 ? 10 : 20, 4);
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
	run(100, 1, 10, 4);
	assert_true(window.view.hard > 2000);
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		double places = (limits[i] - 60e6) / 10.5e6 + 10;

		limit(limits[i]);
		for (unsigned tick = 0; tick < 100; tick++) {
			run(1, 1, 10, 4);
			assert_near(window.view.hard, places, 1);
		}
	}
	no_limit();
	run(20, 1, 10, 4);
	limit(240e6);
	run(1, 1, 10, 4);
	assert_near(window.view.hard, 180e6 / 10.5e6 + 10, 1);
}

/* The processes of the sessions that end stay for the next ones. */
static void memory_that_ended_sessions_keep_is_not_taken_by_others(void **state)
{
	idle_machine();
	limit(240e6);
	put(SIGNAL_MTA_MEM_BYTES, 60e6);
	run(50, 1, 26, 4);
	for (unsigned in_flight = 26; in_flight > 2; in_flight -= 2) {
		run(1, 1, in_flight, 2);
		assert_true(window.view.hard >= 180e6 / 10.5e6);
	}
	for (unsigned tick = 0; tick < 50; tick++) {
		run(1, 1, 2, 2);
		assert_true(window.view.hard >= 180e6 / 10.5e6);
	}
}

/* As the log says when a value is frozen. */
static void without_a_reading_memory_bounds_for_two_seconds(void **state)
{
	idle_machine();
	limit(240e6);
	run(10, 1, 10, 4);
	sample.via[SIGNAL_MEM_AVAILABLE_BYTES] = VIA_NONE;
	run(19, 1, 10, 4);
	assert_true(window.view.hard > 0);
	run(2, 1, 10, 4);
	assert_true(window.view.hard < 0);
}

/* ---- the engine ----------------------------------------------------------------------------- */

static struct engine engine;

static enum engine_state look(bool sees, double seconds)
{
	static const struct load nothing;
	static struct plan whole;

	for (int i = 0; i < seconds * 10; i++) {
		sample_clear(&sample, now_us += 100000);
		if (sees)
			idle_machine();
		engine_step(&engine, &sample, &nothing, now_us, &whole);
	}
	return engine.view.state;
}

static void without_any_sight_for_two_seconds_the_daemon_is_blind(void **state)
{
	const struct engine_config engine_config = {
		.cores = 1,
		.window = config,
		.epoch_us = 60000000,
		.services = 1,
		.service = { { .name = "mx", .reply_code = 451 } },
	};

	engine_init(&engine, &engine_config, 1);
	assert_int_not_equal(look(true, 1), STATE_BLIND);
	assert_int_not_equal(look(false, 1.8), STATE_BLIND);
	assert_int_equal(look(false, 0.3), STATE_BLIND);
	assert_int_not_equal(look(true, 0.1), STATE_BLIND);
}

/* ---- the queue behind the server ------------------------------------------------------------ */

static struct backlog_view queue(struct backlog *b, unsigned seconds, double ready, double growth,
				 double jobs_per_s)
{
	struct backlog_view view = { 0 };

	for (unsigned i = 0; i < seconds * 10; i++)
		backlog_step(b, ready < 0 ? -1 : ready + growth * i / 10, jobs_per_s, 60, 0.1,
			     &view);
	return view;
}

static void looks_may_fail_for_ten_seconds(void **state)
{
	struct backlog b = { 0 };

	assert_true(queue(&b, 5, 1000, 0, 10).known);
	assert_true(queue(&b, 9, -1, 0, 10).known);
	assert_false(queue(&b, 2, -1, 0, 10).known);
}

static void something_leaves_even_where_the_queue_grows_by_more_than_comes(void **state)
{
	struct backlog b = { 0 };

	check_near(queue(&b, 60, 1000, 300, 100).leaving_per_s, 5, 0.01);
}

static void something_is_let_through_where_nothing_came(void **state)
{
	struct backlog b = { 0 };

	check_near(queue(&b, 60, 100000, 0, 0).allowed_per_s, 0.2, 0.001);
}

/* ---- the servo ------------------------------------------------------------------------------ */

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

static void after_a_pause_what_came_in_it_came_in_all_of_it(void **state)
{
	idle_machine();
	run(1, 0, 1, 1);
	load.offered += 100;
	step(100);
	assert_near(window.view.offered_per_s, 1, 0.01);
}

static void no_session_is_said_to_take_longer_than_a_day(void **state)
{
	idle_machine();
	run(50, 0, 1e5, 1e5);
	assert_near(window.view.server_time_s, 86400, 1);
}

static void no_session_waits_longer_than_a_day_for_its_sender(void **state)
{
	idle_machine();
	for (int i = 0; i < 100; i++) {
		load.session_us += UINT64_C(1000000000000);
		run(1, 1, 1, 0);
	}
	assert_near(window.view.think_time_s, 86400, 1);
}

/* A quarter above what is completed, and three; at least five at once. */
static void the_bucket_is_a_quarter_above_what_is_completed(void **state)
{
	config.cores = 100;
	window_init(&window, &config);
	idle_machine();
	run(1, 0, 1, 1);
	assert_near(plan.rate_milli / 1e3, 1.25 * window.view.capacity_per_s + 3, 0.1);
	assert_true(window.view.capacity_per_s > 5000);
	setup(NULL);
	put(SIGNAL_MTA_CORES, 0.02);
	run(1, 0, 1, 1);
	assert_near(plan.rate_milli / 1e3, 1.25 * window.view.capacity_per_s + 3, 0.1);
	assert_int_equal(plan.burst_milli, 5000);
}

static enum reason reason_at(double io)
{
	idle_machine();
	put(SIGNAL_CPU_STALL_RATIO, 0.1);
	put(SIGNAL_IO_STALL_RATIO, io);
	run(1, 1, 1, 1);
	return window.view.reason;
}

static void a_disk_is_the_reason_from_half_of_a_full_stall_on(void **state)
{
	assert_int_equal(reason_at(0.3), REASON_SMTP);
	assert_int_equal(reason_at(0.46), REASON_SMTP);
	assert_int_equal(reason_at(0.49), REASON_DISK);
}

static void a_session_takes_a_mebibyte_of_the_spool(void **state)
{
	config.disk_reserve_bytes = 50 * 1048576.0;
	window_init(&window, &config);
	idle_machine();
	put(SIGNAL_SPOOL_FREE_BYTES, 60 * 1048576.0);
	run(1, 1, 0, 0);
	assert_near(window.view.hard, 10, 0.01);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, setup)
	const struct CMUnitTest tests[] = {
		TEST(on_two_cores_stalls_count_as_far_as_the_cores_are_used),
		TEST(a_server_hangs_that_completes_less_than_one_in_five_seconds),
		TEST(half_of_those_who_wait_must_be_accepted_to_say_greetings_are_late),
		TEST(fewer_than_one_in_five_seconds_do_not_tell_what_a_job_costs),
		TEST(fewer_than_one_in_five_seconds_tell_no_think_time),
		TEST(memory_is_the_reason_from_a_fifth_of_stall_on),
		TEST(a_memory_limit_is_not_memory_that_others_took),
		TEST(memory_that_ended_sessions_keep_is_not_taken_by_others),
		TEST(without_a_reading_memory_bounds_for_two_seconds),
		TEST(the_need_of_a_session_rises_in_seconds_and_falls_in_a_minute),
		TEST(without_any_sight_for_two_seconds_the_daemon_is_blind),
		TEST(looks_may_fail_for_ten_seconds),
		TEST(something_leaves_even_where_the_queue_grows_by_more_than_comes),
		TEST(something_is_let_through_where_nothing_came),
		TEST(the_servo_grows_by_two_hundredths_a_tick_and_falls_by_fifteen),
		TEST(the_servo_grows_from_8_4_places_with_8_in_use),
		TEST(after_a_pause_the_servo_falls_no_further_than_a_third),
		TEST(below_its_objective_mail_is_not_harmed),
		TEST(after_a_pause_what_came_in_it_came_in_all_of_it),
		TEST(no_session_is_said_to_take_longer_than_a_day),
		TEST(no_session_waits_longer_than_a_day_for_its_sender),
		TEST(the_bucket_is_a_quarter_above_what_is_completed),
		TEST(a_disk_is_the_reason_from_half_of_a_full_stall_on),
		TEST(a_session_takes_a_mebibyte_of_the_spool),
	};

	return cmocka_run_group_tests_name("law", tests, NULL, NULL);
}
