#include "cmocka_test.h"

#include <string.h>

#include "core/greeting_times.h"
#include "core/splitmix.h"

#define MS 1000u
#define SLOW_US (3000 * MS)

static struct greeting_times times;
static uint64_t random_state;

static int begin(void **state)
{
	(void)state;
	memset(&times, 0, sizeof(times));
	random_state = 1;
	return 0;
}

/* Quick greetings of 5 to 15 ms; of so many in a thousand the client's name takes 2.7 to 3.3 s,
 * too. */
static void greet(int count, unsigned slow)
{
	for (int i = 0; i < count; i++) {
		uint64_t us = 5 * MS + splitmix_next(&random_state) % (10 * MS);

		if (splitmix_next(&random_state) % 1000 < slow)
			us += SLOW_US * 9 / 10 + splitmix_next(&random_state) % (SLOW_US / 5);
		greeting_times_add(&times, us);
	}
}

static void assert_slow_is_usual(void)
{
	assert_in_range(greeting_times_longer_us(&times), SLOW_US, SLOW_US * 5 / 4);
}

static void assert_slow_is_not_usual(void)
{
	assert_in_range(greeting_times_longer_us(&times), 0, 50 * MS);
}

static void nothing_is_known_at_first(void **state)
{
	(void)state;
	assert_int_equal(greeting_times_longer_us(&times), 0);
	greeting_times_add(&times, SLOW_US);
	assert_int_equal(greeting_times_longer_us(&times), 0);
}

/* Of so many, all quick by chance where one client in twenty is slow, there are few. */
static void what_is_usual_is_known_after_66_greetings(void **state)
{
	(void)state;
	greet(65, 50);
	assert_false(greeting_times_tell(&times));
	greet(1, 50);
	assert_true(greeting_times_tell(&times));
	greet(5000, 50); /* and stays known while old ones are forgotten */
	assert_true(greeting_times_tell(&times));
}

static void what_one_client_in_twenty_waits_is_usual(void **state)
{
	(void)state;
	greet(400, 50);
	for (int i = 0; i < 100; i++) {
		greet(100, 50);
		assert_slow_is_usual();
	}
}

static void what_most_of_the_clients_wait_is_usual(void **state)
{
	begin(state);
	greet(400, 333);
	assert_slow_is_usual();
	begin(state);
	greet(400, 500);
	assert_slow_is_usual();
	begin(state);
	greet(1000, 800);
	assert_slow_is_usual();
}

static void what_one_client_in_a_hundred_and_twenty_waits_is_not(void **state)
{
	(void)state;
	greet(1000, 8);
	for (int i = 0; i < 100; i++) {
		greet(100, 8);
		assert_slow_is_not_usual();
	}
}

static void a_few_slow_ones_are_soon_believed_and_forgotten(void **state)
{
	int greetings = 0;

	(void)state;
	greet(2000, 50);
	while (greeting_times_longer_us(&times) > SLOW_US / 2) {
		greet(1, 0);
		greetings++;
	}
	assert_in_range(greetings, 300, 1200);
	greet(5000, 0);
	for (greetings = 0; greeting_times_longer_us(&times) < SLOW_US / 2; greetings++)
		greet(1, 50);
	assert_in_range(greetings, 100, 1000);
}

/* Each waits a little longer than the one before: 10 ms to 20 s, and down again. */
static void in_a_queue_all_wait_alike(void **state)
{
	uint64_t us = 10 * MS;

	(void)state;
	greet(1000, 0);
	for (; us < 20000 * MS; us += us / 50)
		greeting_times_add(&times, us + splitmix_next(&random_state) % us);
	assert_slow_is_not_usual();
	for (int i = 0; i < 2000; i++)
		greeting_times_add(&times, us + splitmix_next(&random_state) % us);
	assert_slow_is_not_usual();
	for (; us > 10 * MS; us -= us / 50)
		greeting_times_add(&times, us + splitmix_next(&random_state) % us);
	assert_slow_is_not_usual();
}

/* The server stops for 20 s again and again; fifty clients wait until it goes on. */
static void after_a_stop_all_have_waited_alike(void **state)
{
	(void)state;
	for (int stops = 0; stops < 100; stops++) {
		greet(1000, 0);
		for (int i = 0; i < 50; i++)
			greeting_times_add(&times, 20000 * MS - (unsigned)i * 100 * MS);
		assert_slow_is_not_usual();
	}
}

/* A small server has just begun, and stops again and again: few greetings are known. */
static void a_stop_is_not_usual_for_a_small_server(void **state)
{
	(void)state;
	for (int stops = 0; stops < 100; stops++) {
		greet(150, 0);
		for (int i = 0; i < 20; i++)
			greeting_times_add(&times, 20000 * MS - (unsigned)i * 400 * MS);
		assert_slow_is_not_usual();
	}
}

static void in_a_queue_the_slow_ones_stay_usual(void **state)
{
	(void)state;
	greet(1000, 50);
	for (int i = 0; i < 5000; i++) {
		uint64_t us = 600 * MS + splitmix_next(&random_state) % (400 * MS);

		greeting_times_add(&times, us + (splitmix_next(&random_state) % 20 ? 0 : SLOW_US));
	}
	assert_slow_is_usual();
}

static void a_minute_is_never_usual(void **state)
{
	(void)state;
	for (int i = 0; i < 1000; i++)
		greeting_times_add(&times, i % 10 ? 10 * MS : 60000 * MS);
	assert_int_equal(greeting_times_longer_us(&times), 30000 * MS);
	for (int i = 0; i < 1000; i++)
		greeting_times_add(&times, i % 10 ? 10 * MS : UINT64_MAX / 4);
	assert_int_equal(greeting_times_longer_us(&times), 30000 * MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(nothing_is_known_at_first, begin),
		cmocka_unit_test_setup(what_is_usual_is_known_after_66_greetings, begin),
		cmocka_unit_test_setup(what_one_client_in_twenty_waits_is_usual, begin),
		cmocka_unit_test(what_most_of_the_clients_wait_is_usual),
		cmocka_unit_test_setup(what_one_client_in_a_hundred_and_twenty_waits_is_not, begin),
		cmocka_unit_test_setup(a_few_slow_ones_are_soon_believed_and_forgotten, begin),
		cmocka_unit_test_setup(in_a_queue_all_wait_alike, begin),
		cmocka_unit_test_setup(after_a_stop_all_have_waited_alike, begin),
		cmocka_unit_test_setup(a_stop_is_not_usual_for_a_small_server, begin),
		cmocka_unit_test_setup(in_a_queue_the_slow_ones_stay_usual, begin),
		cmocka_unit_test_setup(a_minute_is_never_usual, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
