/* The ranges of monitoring plugins: the examples of the guidelines, and what is none. */
#include <errno.h>

#include "base/array.h"
#include "base/range.h"
#include "cmocka_test.h"

static void alerts(const char *text, double value, bool expected)
{
	struct range range;

	assert_int_equal(range_parse(text, &range), 0);
	assert_string_equal(range.text, text);
	assert_int_equal(range_alerts(&range, value), expected);
}

static void the_guidelines_examples(void **state)
{
	alerts("10", -1, true);
	alerts("10", 0, false);
	alerts("10", 10, false);
	alerts("10", 10.5, true);
	alerts("10:", 9, true);
	alerts("10:", 1e9, false);
	alerts("~:10", -1e9, false);
	alerts("~:10", 11, true);
	alerts("10:20", 9.9, true);
	alerts("10:20", 15, false);
	alerts("10:20", 20.1, true);
	alerts("@10:20", 15, true);
	alerts("@10:20", 21, false);
	alerts("-5:-1", -3, false);
	alerts("0.5", 0.6, true);
	alerts("@~:0", -2, true);
}

static void what_is_no_range(void **state)
{
	static const char *const wrong[] = {
		"",	 "@",	  "x",	 "1x",
		"20:10", "1:2:3", "~",	 "1e5",
		"nan",	 "5,",	  "--1", "1234567890123456789012345678901234567890123456789"
	};
	struct range range = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(range_parse(wrong[i], &range), -EINVAL);
	assert_false(range_alerts(&range, 1e9));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_guidelines_examples),
		cmocka_unit_test(what_is_no_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
