/* How many clients may wait for a place at once. */
#include "cmocka_test.h"

#include "proxy/session.h"

#define MIB (UINT64_C(1) << 20)
#define MANY 100000u /* connections_max */

static void they_take_a_small_part_of_the_memory(void **state)
{
	/* 5 KiB each, in a 64th of the memory */
	assert_int_equal(held_max(64 * MIB, MANY), 204);
	assert_int_equal(held_max(512 * MIB, MANY), 1638);
	assert_int_equal(held_max(1024 * MIB, MANY), 3276);
	assert_int_equal(held_max(0, MANY), 0);
}

static void there_are_never_more_than_10_000(void **state)
{
	assert_int_equal(held_max(3125 * MIB - 1, MANY), 9999);
	assert_int_equal(held_max(3125 * MIB, MANY), 10000);
	assert_int_equal(held_max(UINT64_C(1) << 44, MANY), 10000);
	assert_int_equal(held_max(UINT64_MAX, UINT32_MAX), 10000);
}

static void there_are_never_more_than_connections(void **state)
{
	assert_int_equal(held_max(1024 * MIB, 3276), 3276);
	assert_int_equal(held_max(1024 * MIB, 3000), 3000);
	assert_int_equal(held_max(1024 * MIB, 1), 1);
	assert_int_equal(held_max(UINT64_MAX, 500), 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(they_take_a_small_part_of_the_memory),
		cmocka_unit_test(there_are_never_more_than_10_000),
		cmocka_unit_test(there_are_never_more_than_connections),
	};

	return cmocka_run_group_tests_name("held", tests, NULL, NULL);
}
