#include "cmocka_test.h"

#include <math.h>

#include "core/engine.h"
#include "window_world.h"

/* Figures of the law that no scenario fixes, since they guard what no plant of the simulator does.
 * Each test stands on both sides of its figure (core/law.h). */

static void on_two_cores_stalls_count_as_far_as_the_cores_are_used(void **state)
{
	config.cores = 2;
	window_init(&window, &config);
	put(SIGNAL_CPU_STALL_RATIO, 1);
	put(SIGNAL_CPU_BUSY_RATIO, 0.3);
	jobs(30, 1, 1, 1);
	assert_near(window.view.saturation, 0.3 / 0.93, 0.01);
	config.cores = 1;
	window_init(&window, &config);
	jobs(30, 1, 1, 1);
	assert_near(window.view.saturation, 1, 0.01);
}

static void a_server_hangs_that_completes_less_than_one_in_five_seconds(void **state)
{
	idle_machine();
	jobs(50, 1, 2, 1);
	put(SIGNAL_CPU_STALL_RATIO, 0.7);
	jobs(30, 4, 20, 20); /* 2.5 a second */
	assert_false(window.view.server & SERVER_HANGS);
	jobs(20, 0, 20, 20);
	assert_false(window.view.server & SERVER_HANGS); /* .34 a second, smoothed */
	jobs(10, 0, 20, 20);
	assert_true(window.view.server & SERVER_HANGS); /* .12 */
}

static void half_of_those_who_wait_must_be_accepted_to_say_greetings_are_late(void **state)
{
	idle_machine();
	load.ungreeted = 10;
	put(SIGNAL_ACCEPT_QUEUE_COUNT, 4);
	jobs(30, 1, 10, 10);
	assert_true(window.view.server & SERVER_GREETS_LATE);
	put(SIGNAL_ACCEPT_QUEUE_COUNT, 6);
	jobs(30, 1, 10, 10);
	assert_false(window.view.server & SERVER_GREETS_LATE);
}

static void fewer_than_one_in_five_seconds_do_not_tell_what_a_job_costs(void **state)
{
	idle_machine();
	jobs(400, 10, 1, 1);
	assert_true(window.view.cpu_per_job_s > 0);
	jobs(400, 17, 1, 1); /* .6 a second */
	assert_true(window.view.cpu_per_job_s > 0);
	jobs(20, 0, 1, 1); /* .3 a second, smoothed */
	assert_true(window.view.cpu_per_job_s > 0);
	jobs(20, 0, 1, 1); /* .15 */
	assert_true(window.view.cpu_per_job_s < 0);
}

static void fewer_than_one_in_five_seconds_tell_no_think_time(void **state)
{
	idle_machine();
	jobs(400, 10, 1, 0);
	assert_true(window.view.think_time_s > 30);
	jobs(40, 0, 1, 0); /* .3 a second, smoothed */
	assert_true(window.view.think_time_s > 30);
	jobs(30, 0, 1, 0); /* .1 */
	assert_true(window.view.think_time_s < 10);
}

static void memory_is_the_reason_from_a_fifth_of_stall_on(void **state)
{
	idle_machine();
	put(SIGNAL_MEM_STALL_RATIO, 0.19);
	jobs(30, 1, 4, 4);
	assert_int_not_equal(plan.reason, REASON_MEMORY);
	put(SIGNAL_MEM_STALL_RATIO, 0.21);
	jobs(30, 1, 4, 4);
	assert_int_equal(plan.reason, REASON_MEMORY);
}

/* ---- the engine ----------------------------------------------------------------------------- */

static struct engine engine;

static enum engine_state look(bool sees, double seconds)
{
	static const struct load nothing;
	static struct plan whole;

	for (int i = 0; i < seconds * 10; i++) {
		sample_clear(&sample, now_us += 100000);
		put(SIGNAL_NIC_DOWN_COUNT, 0); /* a link that is up is no sight of the load */
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

static void after_a_pause_what_came_in_it_came_in_all_of_it(void **state)
{
	double before_per_s;

	idle_machine();
	jobs(1, 0, 1, 1);
	before_per_s = window.view.offered_per_s;
	load.offered += (uint64_t)(1.9 * 100);
	step(1.9);
	assert_near(window.view.offered_per_s,
		    before_per_s + (1 - exp(-1.9)) * (100 - before_per_s), 0.01);
}

/* penstockd was not there, and fronts admitted all. */
static void nothing_is_learned_of_a_time_in_which_the_plan_was_old(void **state)
{
	struct window_view view;

	idle_machine();
	jobs(1, 0, 1, 1);
	view = window.view;
	load.offered += 100000;
	load.in_flight = 400;
	step(2.1);
	assert_near(window.view.offered_per_s, view.offered_per_s, 1e-9);
	assert_near(window.view.capacity_per_s, view.capacity_per_s, 1e-9);
	assert_int_equal(window.view.regime, view.regime);
	load.in_flight = 0;
	jobs(1, 0, 1, 1);
	/* Nor is it counted later. */
	assert_near(window.view.offered_per_s, view.offered_per_s, 1);
}

static void no_session_is_said_to_take_longer_than_a_day(void **state)
{
	idle_machine();
	jobs(50, 0, 1e5, 1e5);
	window.view.server_time_s = 86390;
	jobs(200, 0, 1e5, 1e5);
	assert_near(window.view.server_time_s, 86400, 0);
}

/* A load begins. However many sessions wait, none has waited for longer than the load lasts. */
static void no_session_is_said_to_take_longer_than_since_it_came(void **state)
{
	idle_machine();
	jobs(100, 10, 1, 0);
	for (int i = 1; i <= 30; i++) {
		jobs(1, 0, 75, 75);
		assert_true(window.view.server_time_s <= .1 * i + .01);
	}
	assert_true(window.view.server_time_s > 2.5);
	/* Once they end, it is what they take: 75 busy, and 30 a second end. */
	traffic(20, 30, 30, 0, 75, 75, SEEN_ALL);
	assert_near(window.view.server_time_s, 2.5, .05);
}

static void no_session_waits_longer_than_a_day_for_its_sender(void **state)
{
	idle_machine();
	for (int i = 0; i < 100; i++) {
		load.session_us += UINT64_C(1000000000000);
		jobs(1, 1, 1, 0);
	}
	assert_near(window.view.think_time_s, 86400, 1);
}

/* A quarter above what is completed, and three; at least five at once. */
static void the_bucket_is_a_quarter_above_what_is_completed(void **state)
{
	config.cores = 100;
	window_init(&window, &config);
	idle_machine();
	jobs(1, 0, 1, 1);
	assert_near(plan.rate_milli / 1e3, 1.25 * window.view.capacity_per_s + 3, 0.1);
	assert_true(window.view.capacity_per_s > 5000);
	setup(NULL);
	put(SIGNAL_MTA_CORES, 0.02);
	jobs(1, 0, 1, 1);
	assert_near(plan.rate_milli / 1e3, 1.25 * window.view.capacity_per_s + 3, 0.1);
	assert_int_equal(plan.burst_milli, 5000);
}

static enum reason reason_at(double io)
{
	idle_machine();
	put(SIGNAL_CPU_STALL_RATIO, 0.1);
	put(SIGNAL_IO_STALL_RATIO, io);
	jobs(1, 1, 1, 1);
	return window.view.reason;
}

static void a_disk_is_the_reason_from_half_of_a_full_stall_on(void **state)
{
	assert_int_equal(reason_at(0.3), REASON_SMTP);
	assert_int_equal(reason_at(0.46), REASON_SMTP);
	assert_int_equal(reason_at(0.49), REASON_DISK);
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
		TEST(without_any_sight_for_two_seconds_the_daemon_is_blind),
		TEST(after_a_pause_what_came_in_it_came_in_all_of_it),
		TEST(nothing_is_learned_of_a_time_in_which_the_plan_was_old),
		TEST(no_session_is_said_to_take_longer_than_a_day),
		TEST(no_session_is_said_to_take_longer_than_since_it_came),
		TEST(no_session_waits_longer_than_a_day_for_its_sender),
		TEST(the_bucket_is_a_quarter_above_what_is_completed),
		TEST(a_disk_is_the_reason_from_half_of_a_full_stall_on),
	};

	return cmocka_run_group_tests_name("law", tests, NULL, NULL);
}
