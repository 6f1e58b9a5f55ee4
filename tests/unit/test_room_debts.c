#include "cmocka_test.h"

#include "core/room_debts.h"

#define S UINT64_C(1000000)
#define DAY (86400 * S)
#define REST (10 * S)

static void a_debt_is_kept_until_it_is_settled(void **state)
{
	static struct room_debts debts;

	room_debts_init(&debts, 3);
	assert_false(room_owes(&debts, 77, S));
	room_owe(&debts, 77, S);
	room_owe(&debts, 77, 2 * S);
	assert_true(room_owes(&debts, 77, 3 * S));
	assert_false(room_owes(&debts, 78, 3 * S));
	assert_true(room_owes(&debts, 77, 2 * S + DAY - 1));
	assert_false(room_owes(&debts, 77, 2 * S + DAY));
	room_settle(&debts, 77, 3 * S);
	room_settle(&debts, 77, 3 * S);
	assert_false(room_owes(&debts, 77, 3 * S));
	/* Who was told without a wait is owed one place in ten seconds, not one after the other. */
	room_owe_told(&debts, 77, 3 * S + REST - 1);
	assert_false(room_owes(&debts, 77, 3 * S + REST - 1));
	room_owe_told(&debts, 77, 3 * S + REST);
	assert_true(room_owes(&debts, 77, 3 * S + REST));
	room_owe_told(&debts, 78, 3 * S);
	assert_true(room_owes(&debts, 78, 3 * S));
	/* Bounded: the latest are kept. */
	for (uint64_t group = 1; group <= 100000; group++)
		room_owe(&debts, group, group);
	assert_true(room_owes(&debts, 100000, 100001));
	assert_false(room_owes(&debts, 1, 100001));
	for (unsigned i = 0, kept = 0; i < 1000; i++) {
		kept += room_owes(&debts, 100000 - i, 100001);
		assert_true(i < 999 || kept > 900);
	}
}

static unsigned owed_of(const struct room_debts *debts, uint64_t first, uint64_t end,
			uint64_t now_us)
{
	unsigned owed = 0;

	for (uint64_t group = first; group < end; group++)
		owed += room_owes(debts, group, now_us);
	return owed;
}

static void what_is_settled_does_not_push_out_what_is_owed(void **state)
{
	static struct room_debts debts;
	unsigned before;

	room_debts_init(&debts, 3);
	for (uint64_t group = 1; group < 1000; group++)
		room_owe(&debts, group, S);
	for (uint64_t group = 1000; group < 4000; group++) {
		room_owe(&debts, group, 2 * S);
		room_settle(&debts, group, 2 * S);
	}
	before = owed_of(&debts, 1, 1000, 2 * S);
	for (uint64_t group = 4000; group < 5000; group++)
		room_owe(&debts, group, 2 * S + REST);
	assert_in_range(owed_of(&debts, 1, 1000, 15 * S), before * 9 / 10, before);
	assert_true(before > 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_debt_is_kept_until_it_is_settled),
		cmocka_unit_test(what_is_settled_does_not_push_out_what_is_owed),
	};

	return cmocka_run_group_tests_name("room_debts", tests, NULL, NULL);
}
