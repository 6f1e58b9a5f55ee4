#include "cmocka_test.h"

#include <sys/resource.h>

#include "base/descriptors.h"

#define SOFT 100
#define HARD 300

static int setup(void **state)
{
	const struct rlimit limit = { SOFT, HARD };

	return setrlimit(RLIMIT_NOFILE, &limit);
}

static struct rlimit now(void)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	return limit;
}

static void the_limit_is_raised_and_never_lowered(void **state)
{
	assert_int_equal(descriptors_max(), SOFT);
	assert_int_equal(descriptors_raise(200, false), 200);
	assert_int_equal(now().rlim_cur, 200);
	assert_int_equal(descriptors_raise(150, false), 200);
	assert_int_equal(descriptors_raise(150, true), 200);
	assert_int_equal(now().rlim_cur, 200);
	assert_int_equal(now().rlim_max, HARD);
}

static void the_hard_limit_holds(void **state)
{
	assert_int_equal(descriptors_raise(HARD + 1, false), HARD);
	assert_int_equal(now().rlim_max, HARD);
	assert_int_equal(setup(state), 0);
	assert_int_equal(descriptors_raise(DESCRIPTORS_ALL, false), HARD);
	assert_int_equal(now().rlim_max, HARD);
}

/* By a process with CAP_SYS_RESOURCE; for any other it holds. */
static void the_hard_limit_is_raised_where_that_is_allowed(void **state)
{
	uint32_t have = descriptors_raise(HARD + 1, true);

	assert_true(have == HARD + 1 || have == HARD);
	assert_int_equal(now().rlim_cur, have);
	/* more than the kernel allows for any process */
	assert_int_equal(descriptors_raise(DESCRIPTORS_ALL - 1, true), now().rlim_max);
}

#define TEST(f) cmocka_unit_test_setup(f, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_limit_is_raised_and_never_lowered),
		TEST(the_hard_limit_holds),
		TEST(the_hard_limit_is_raised_where_that_is_allowed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
