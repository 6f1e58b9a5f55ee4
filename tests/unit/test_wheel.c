/* The age of the oldest on a wheel of times, and a reader whose clock is behind. */
#include <string.h>

#include "cmocka_test.h"
#include "kernel/wheel.h"

#define SLOT_US ((1ull << WHEEL_SHIFT) / 1000)

static int32_t wheel[WHEEL_SLOTS];

static void put(uint64_t began_us, int by)
{
	wheel[((began_us * 1000) >> WHEEL_SHIFT) & (WHEEL_SLOTS - 1)] += by;
}

static int empty(void **state)
{
	memset(wheel, 0, sizeof(wheel));
	return 0;
}

/* At most a slot less than the truth, and never more, at every age up to a minute, wherever the
 * clock stands. */
static void the_oldest_counts(void **state)
{
	for (uint64_t now = 70000000; now < 300000000; now += 7654321)
		for (uint64_t age = 2 * SLOT_US + 2; age < 60000000; age += 999983) {
			uint64_t found;

			put(now - age, 1);
			put(now - SLOT_US, 2);
			found = wheel_oldest_us(wheel, now);
			assert_in_range(found, age - SLOT_US - 1, age);
			put(now - age, -1);
			put(now - SLOT_US, -2);
			assert_int_equal(wheel_oldest_us(wheel, now), 0);
		}
}

/* What began some microseconds ago, in the slot before, is some microseconds old. A test of fsync
 * on a fast disk saw 67108 us so. */
static void a_slot_ends_between(void **state)
{
	for (uint64_t slot = 2000; slot < 4000; slot++) {
		uint64_t ends_us = (slot << WHEEL_SHIFT) / 1000;

		put(ends_us - 20, 1);
		assert_in_range(wheel_oldest_us(wheel, ends_us + 30), 1, 50);
		assert_in_range(wheel_oldest_us(wheel, ends_us + 5000), 5000 - 1, 5000 + 20);
		put(ends_us - 20, -1);
	}
}

/* Probes count while the daemon reads: what began after its clock was taken is new, and not a whole
 * turn of the wheel (68.6 s) old. A test of fsync saw 68652367 us so. */
static void what_began_after_the_clock_is_not_old(void **state)
{
	for (uint64_t now = 70000000; now < 300000000; now += 7654321)
		for (uint64_t later = 0; later < 8000000; later += 33331) {
			put(now + later, 1);
			assert_int_equal(wheel_oldest_us(wheel, now), 0);
			put(now - 1000000, 1);
			assert_in_range(wheel_oldest_us(wheel, now), 1000000 - SLOT_US,
					1000000 + SLOT_US);
			put(now - 1000000, -1);
			put(now + later, -1);
		}
}

/* Just after boot the wheel has not gone around. */
static void a_machine_that_just_booted(void **state)
{
	put(0, 1);
	assert_int_equal(wheel_oldest_us(wheel, 10), 0);
	assert_in_range(wheel_oldest_us(wheel, 500000), 500000 - SLOT_US - 1, 500000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_oldest_counts, empty),
		cmocka_unit_test_setup(a_slot_ends_between, empty),
		cmocka_unit_test_setup(what_began_after_the_clock_is_not_old, empty),
		cmocka_unit_test_setup(a_machine_that_just_booted, empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
