#include "cmocka_test.h"

#include <math.h>

#include "../../tools/penstock-load/schedule.c"

static void steps_and_rates(void **state)
{
	struct schedule s = { .end_s = 30, .random = 1 };
	unsigned count[3] = { 0 };
	double at;

	assert_int_equal(schedule_parse("0:50,10:500,20:0", &s), 0);
	while ((at = schedule_next(&s)) >= 0)
		count[(int)(at / 10)]++;
	assert_near((int)count[0], 500, 1);
	assert_near((int)count[1], 5000, 1);
	assert_int_equal(count[2], 0);
	s = (struct schedule){ .end_s = 100, .random = 7, .poisson = true };
	assert_int_equal(schedule_parse("0:100", &s), 0);
	count[0] = 0;
	while (schedule_next(&s) >= 0)
		count[0]++;
	assert_near((int)count[0], 10000, 500);
}

static void nonsense(void **state)
{
	struct schedule s;

	for (const char *const *p = (const char *const[]){ "", "5", "1:5", "0:5,", "0:5,0:6",
							   "0:-1", "0:x", "0:1;5:2", NULL };
	     *p; p++)
		assert_true(schedule_parse(*p, &s) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(steps_and_rates),
					    cmocka_unit_test(nonsense) };

	return cmocka_run_group_tests_name("schedule", tests, NULL, NULL);
}
