#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/overtaken.h"
#include "core/splitmix.h"

static void who_waits_in_a_queue_is_never_overtaken(void **state)
{
	struct greetings g = { 0 };
	uint64_t due[1000];

	(void)state;
	for (int i = 0; i < 1000; i++)
		due[i] = greetings_begin(&g);
	for (int i = 0; i < 1000; i++) {
		assert_false(greetings_overtaken(&g, due[i]));
		greetings_end(&g, true);
	}
	assert_int_equal(g.waiting, 0);
}

/* Where those who wait are served in no order at all, few wait for so long that they are taken for
 * overtaken. */
static void where_there_is_no_order_few_are(void **state)
{
	struct greetings g = { 0 };
	uint64_t due[64], random = 1;
	int overtaken = 0;

	(void)state;
	for (int i = 0; i < 64; i++)
		due[i] = greetings_begin(&g);
	for (int i = 0; i < 10000; i++) {
		unsigned n = (unsigned)(splitmix_next(&random) % 64);

		overtaken += greetings_overtaken(&g, due[n]);
		greetings_end(&g, true);
		due[n] = greetings_begin(&g);
	}
	assert_in_range(overtaken, 0, 10000 / 6);
}

static void who_is_passed_by_all_who_come_later_is_overtaken(void **state)
{
	struct greetings g = { 0 };
	uint64_t late, other;

	(void)state;
	greetings_begin(&g);
	greetings_begin(&g);
	late = greetings_begin(&g);
	for (int i = 0; i < 2 + 2 + 7; i++) { /* those before it, as many again, and chance */
		greetings_begin(&g);
		greetings_end(&g, true);
	}
	assert_false(greetings_overtaken(&g, late));
	other = greetings_begin(&g);
	greetings_end(&g, true);
	assert_true(greetings_overtaken(&g, late));
	assert_false(greetings_overtaken(&g, other));
}

static void who_leaves_without_a_greeting_overtakes_nobody(void **state)
{
	struct greetings g = { 0 };
	uint64_t first = greetings_begin(&g);

	(void)state;
	for (int i = 0; i < 1000; i++) {
		greetings_begin(&g);
		greetings_end(&g, false);
	}
	assert_false(greetings_overtaken(&g, first));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_waits_in_a_queue_is_never_overtaken),
		cmocka_unit_test(where_there_is_no_order_few_are),
		cmocka_unit_test(who_is_passed_by_all_who_come_later_is_overtaken),
		cmocka_unit_test(who_leaves_without_a_greeting_overtakes_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
