/* The time that open spans have been open, read while other threads begin and end spans: no reading
 * is off, whatever they are in the middle of. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "cmocka_test.h"
#include "kernel/open_sum.h"

#define WRITERS 3
#define READINGS 200000

static int64_t open_count, less;
static uint64_t finished_ns, since_ns;
static atomic_bool stop;

/* As bpf/spans.h does. */
static void begin(uint64_t now)
{
	__atomic_fetch_add(&since_ns, now, __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&open_count, 1, __ATOMIC_SEQ_CST);
}

static void end(uint64_t began, uint64_t now)
{
	__atomic_fetch_sub(&open_count, 1, __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&finished_ns, now - began, __ATOMIC_SEQ_CST);
	__atomic_fetch_sub(&since_ns, began, __ATOMIC_SEQ_CST);
}

static void *write_spans(void *arg)
{
	while (!stop) {
		uint64_t began = clock_read_ns(CLOCK_MONOTONIC);

		begin(began);
		for (volatile int i = 0; i < 20; i++)
			;
		end(began, clock_read_ns(CLOCK_MONOTONIC));
	}
	return NULL;
}

/* The sum of all spans, ended and open, never grows faster than all writers together could make it
 * grow, and never falls. A reading of the middle of a change is off by the machine's uptime. */
static void a_reading_is_of_one_moment(void **state)
{
	pthread_t writers[WRITERS];
	uint64_t began_ns = clock_read_ns(CLOCK_MONOTONIC), last = 0;

	open_count = less = 0;
	finished_ns = since_ns = 0;
	stop = false;
	for (int i = 0; i < WRITERS; i++)
		assert_int_equal(pthread_create(&writers[i], NULL, write_spans, NULL), 0);
	for (int i = 0; i < READINGS; i++) {
		struct open_sum sum = open_sum_read(&open_count, &less, &finished_ns, &since_ns);
		uint64_t now_ns = clock_read_ns(CLOCK_MONOTONIC);
		uint64_t all_ns = sum.finished_ns + open_sum_ns(&sum, now_ns);

		if (all_ns > WRITERS * (now_ns - began_ns))
			fail_msg("%llu ns by %d writers in %llu ns", (unsigned long long)all_ns,
				 WRITERS, (unsigned long long)(now_ns - began_ns));
		if (sum.finished_ns < last)
			fail_msg("%llu ns after %llu", (unsigned long long)sum.finished_ns,
				 (unsigned long long)last);
		last = sum.finished_ns;
	}
	stop = true;
	for (int i = 0; i < WRITERS; i++)
		pthread_join(writers[i], NULL);
	assert_int_equal(open_count, 0);
	assert_int_equal(since_ns, 0);
}

/* Each state in the middle of a change is recognised, also when it is read twice. */
static void the_middle_of_a_change_is_seen(void **state)
{
	const uint64_t now = 1000 * US_PER_S * 1000, began = now - 5000000;
	const struct open_sum whole[] = { { 0, 70, 0 }, { 1, 70, began }, { 2, 70, began + now } };
	const struct open_sum middle[] = {
		{ 0, 70, now }, /* begins: not yet counted */
		{ 1, 70, began + now }, { 0, 70, began }, /* ends: no longer counted */
		{ 0, 5000070, began },	{ -1, 70, 0 }, /* ends before it was counted */
	};

	for (size_t i = 0; i < sizeof(whole) / sizeof(*whole); i++)
		assert_true(open_sum_is_whole(&whole[i], &whole[i], now));
	for (size_t i = 0; i < sizeof(middle) / sizeof(*middle); i++) {
		assert_false(open_sum_is_whole(&middle[i], &middle[i], now));
		assert_int_equal(open_sum_ns(&middle[i], now), 0);
	}
	assert_false(open_sum_is_whole(&whole[1], &whole[2], now));
	assert_int_equal(open_sum_ns(&whole[1], now), 5000000);
	/* What began after the clock was read is not old. */
	assert_int_equal(open_sum_ns(&whole[2], now - 10000000), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_middle_of_a_change_is_seen),
		cmocka_unit_test(a_reading_is_of_one_moment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
