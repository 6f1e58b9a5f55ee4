#include "cmocka_test.h"

#include "core/cpu_limiter.h"

#define MS 1000u

static struct cpu_limiter e;
static uint64_t now_us, cpu_us;

static int setup(void **state)
{
	now_us = 1000000;
	cpu_us = 500;
	cpu_limiter_init(&e, 0.3, now_us, cpu_us);
	return 0;
}

/* Works `work_us` in every ms that it does not rest, for `ms`; the queue is as full as told.
 * Returns the CPU time of it. */
static uint64_t run(unsigned ms, unsigned work_us, double crowd)
{
	uint64_t began = cpu_us, until = now_us + ms * MS, rest;

	while (now_us < until) {
		now_us += MS;
		cpu_us += work_us;
		rest = cpu_limiter_step(&e, now_us, cpu_us, crowd);
		now_us += rest;
	}
	return cpu_us - began;
}

static void little_to_do_is_done_in_full(void **state)
{
	run(5000, 100, 0);
	assert_int_equal(e.form, REPLY_FULL);
	assert_near(e.used, 0.1, 0.01);
}

static void past_the_share_it_says_less_and_rests(void **state)
{
	uint64_t spent = run(5000, 1000, 0);

	assert_int_equal(e.form, REPLY_SHORT);
	assert_true(spent <= 5000 * MS * 0.33);
	assert_true(spent >= 5000 * MS * 0.25);
	/* Busy below the share, yet not idle: it stays. */
	run(3000, 250, 0);
	assert_int_equal(e.form, REPLY_SHORT);
	run(900, 50, 0);
	assert_int_equal(e.form, REPLY_SHORT);
	run(500, 50, 0);
	assert_int_equal(e.form, REPLY_FULL);
}

static void all_of_a_cpu_is_no_bound(void **state)
{
	e.share = 1;
	run(2000, 1000, 0.2);
	assert_int_equal(e.form, REPLY_FULL);
	run(300, 1000, 0.9); /* yet a crowd is a crowd */
	assert_int_equal(e.form, REPLY_BYPASS);
}

static void a_crowd_that_stays_is_sent_past_and_comes_back(void **state)
{
	run(150, 1000, 0.9);
	assert_int_not_equal(e.form, REPLY_BYPASS); /* a burst */
	run(300, 1000, 0.9);
	assert_int_equal(e.form, REPLY_BYPASS);
	run(3000, 100, 0.3);
	assert_int_equal(e.form, REPLY_BYPASS);
	run(300, 100, 0);
	assert_int_equal(e.form, REPLY_SHORT);
	run(2000, 10, 0);
	assert_int_equal(e.form, REPLY_FULL);
}

static void a_thread_that_is_not_run_sends_past_though_it_spends_nothing(void **state)
{
	for (int i = 0; i < 4; i++) {
		now_us += 400 * MS;
		cpu_limiter_step(&e, now_us, cpu_us, 0.8);
	}
	assert_int_equal(e.form, REPLY_BYPASS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(little_to_do_is_done_in_full, setup),
		cmocka_unit_test_setup(past_the_share_it_says_less_and_rests, setup),
		cmocka_unit_test_setup(all_of_a_cpu_is_no_bound, setup),
		cmocka_unit_test_setup(a_crowd_that_stays_is_sent_past_and_comes_back, setup),
		cmocka_unit_test_setup(a_thread_that_is_not_run_sends_past_though_it_spends_nothing,
				       setup),
	};

	return cmocka_run_group_tests_name("cpu_limiter", tests, NULL, NULL);
}
