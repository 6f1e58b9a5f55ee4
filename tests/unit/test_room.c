#include "cmocka_test.h"

#include <stdlib.h>

#include "core/room.h"
#include "core/splitmix.h"

#define S UINT64_C(1000000)
#define PASS 40000u /* 40 places a second */

static struct room room;

static int setup(void **state)
{
	room_init(&room, 1);
	return 0;
}

static enum room_answer enter(struct room_node *node, uint32_t order, uint64_t now_us,
			      uint32_t hold_us)
{
	struct room_node *out;
	const struct room_offer offer = { .now_us = now_us,
					  .order = order,
					  .hold_us = hold_us,
					  .pass_milli = PASS,
					  .most = 1000 };

	return room_enter(&room, &offer, node, &out);
}

static void by_rank_and_then_who_has_waited_longest(void **state)
{
	struct room_node a, b, c, d;

	assert_null(room_first(&room));
	assert_int_equal(enter(&a, room_order(100 << 6, 0), 1 * S, 2 * S), ROOM_WAIT);
	assert_int_equal(enter(&b, room_order(200 << 6, 0), 2 * S, 2 * S), ROOM_WAIT);
	assert_int_equal(enter(&c, room_order(200 << 6, 0), 3 * S, 2 * S), ROOM_WAIT);
	assert_int_equal(enter(&d, ROOM_OWED, 4 * S, 2 * S), ROOM_WAIT);
	assert_int_equal(room_count(&room), 4);
	assert_ptr_equal(room_first(&room), &d);
	assert_ptr_equal(room_next(&d), &b);
	assert_ptr_equal(room_next(&b), &c);
	assert_ptr_equal(room_next(&c), &a);
	assert_null(room_next(&a));
	room_leave(&room, &b);
	room_leave(&room, &d);
	assert_ptr_equal(room_first(&room), &c);
	assert_int_equal(room_count(&room), 2);
}

/* A share is an order: the one with many sessions comes later, and is not refused. */
static void many_sessions_of_a_source_come_later(void **state)
{
	uint32_t before = UINT32_MAX;

	assert_true(room_order(UINT16_MAX, 0) < ROOM_OWED);
	for (uint32_t n = 0; n < 100; n++) {
		assert_true(room_order(500 << 6, n) < before);
		before = room_order(500 << 6, n);
		if (n >= 31)
			n += 7; /* steps of a line, in whole bins */
	}
	assert_true(room_order(0, UINT32_MAX) > 0);
	/* Four units of 8 bins for a doubling. */
	assert_int_equal(room_order(500 << 6, 0) - room_order(500 << 6, 1), 32);
	assert_int_equal(room_order(500 << 6, 1) - room_order(500 << 6, 3), 32);
}

static void refused_only_when_the_wait_to_expect_is_too_long(void **state)
{
	static struct room_node node[200];
	uint32_t usual = room_order(500 << 6, 0);
	unsigned in = 0;

	while (enter(&node[in], usual, S, 2 * S) == ROOM_WAIT)
		in++;
	assert_int_equal(in, 80); /* 2 s x 40/s */
	assert_int_equal(room_count(&room), 80);
	assert_int_equal(enter(&node[81], usual + 1, S, 2 * S), ROOM_WAIT); /* comes before them */
	assert_int_equal(enter(&node[82], usual, S, 0), ROOM_TOO_LONG);
	assert_int_equal(enter(&node[83], usual, S, 5 * S), ROOM_WAIT);
	assert_int_equal(room_expected_us(60, PASS), 1500000);
	assert_true(room_expected_us(1, 0) == ROOM_NEVER);
	assert_int_equal(room_expected_us(0, 0), 0);
}

/* 100 places a second, .25 s: 25 come free in the time of a newcomer. */
static enum room_answer enter_standing(struct room_node *node, uint32_t order, uint64_t now_us)
{
	struct room_node *out;
	const struct room_offer offer = { .now_us = now_us,
					  .order = order,
					  .hold_us = S / 5,
					  .pass_milli = 100000,
					  .most = 1000,
					  .stands = true };

	return room_enter(&room, &offer, node, &out);
}

static void while_the_queue_stands_only_who_is_sure_of_a_place_waits(void **state)
{
	static struct room_node node[100];
	uint32_t low = room_order(100 << 6, 0), high = room_order(900 << 6, 0);
	unsigned in = 0;

	/* No client of a higher order comes: only the expected wait counts, .2 s for 20. */
	while (enter_standing(&node[in], low, S) == ROOM_WAIT)
		in++;
	assert_int_equal(in, 20);
	assert_int_equal(enter_standing(&node[in], low, S), ROOM_TOO_LONG);
	assert_int_equal(enter_standing(&node[in], high, S), ROOM_WAIT);
	while (room_first(&room))
		room_leave(&room, room_first(&room));
	/* 60 a second of a higher order come and go at once: they take 15 of 25 places, give or
	 * take 4. The room is empty, and with five before it a low one is not sure of a place. */
	for (uint64_t at = 2 * S; at < 7 * S; at += S / 60) {
		assert_int_equal(enter_standing(&node[0], high, at), ROOM_WAIT);
		room_leave(&room, &node[0]);
	}
	for (in = 0; enter_standing(&node[in], low, 7 * S) == ROOM_WAIT;)
		in++;
	assert_in_range(in, 4, 8);
	while (room_first(&room))
		room_leave(&room, room_first(&room));
	/* 200 a second: there is no place for a low one, and there is again when they have gone. */
	for (uint64_t at = 7 * S; at < 12 * S; at += S / 200) {
		assert_int_equal(enter_standing(&node[0], high, at), ROOM_WAIT);
		room_leave(&room, &node[0]);
	}
	assert_int_equal(enter_standing(&node[0], low, 12 * S), ROOM_OVERTAKEN);
	assert_int_equal(enter_standing(&node[0], high, 12 * S), ROOM_WAIT);
	assert_int_equal(enter_standing(&node[1], low, 20 * S), ROOM_WAIT);
}

static void at_the_bound_only_who_comes_before_the_last_gets_in(void **state)
{
	struct room_node a, b, c, *out = NULL;
	struct room_offer offer = {
		.now_us = S, .order = 10, .hold_us = 2 * S, .pass_milli = PASS, .most = 2
	};

	assert_int_equal(room_enter(&room, &offer, &a, &out), ROOM_WAIT);
	offer.order = 5;
	assert_int_equal(room_enter(&room, &offer, &b, &out), ROOM_WAIT);
	assert_int_equal(room_enter(&room, &offer, &c, &out), ROOM_FULL);
	assert_null(out);
	offer.order = 6;
	assert_int_equal(room_enter(&room, &offer, &c, &out), ROOM_INSTEAD);
	assert_ptr_equal(out, &b);
	assert_int_equal(room_count(&room), 2);
	offer.most = 0;
	offer.order = ROOM_OWED;
	room_leave(&room, &a);
	room_leave(&room, &c);
	assert_int_equal(room_enter(&room, &offer, &c, &out), ROOM_FULL);
}

static void who_has_waited_long_enough_is_found_in_any_order(void **state)
{
	struct room_node a, b, c;

	assert_null(room_expired(&room, ROOM_NEVER));
	enter(&a, 1, 1 * S, 5 * S);
	enter(&b, 2, 2 * S, 1 * S);
	enter(&c, 3, 3 * S, 2 * S);
	assert_true(room_deadline_us(&room) == 3 * S + S / 4); /* the expected, and a quarter */
	assert_null(room_expired(&room, 3 * S + S / 4 - 1));
	assert_ptr_equal(room_expired(&room, 3 * S + S / 4), &b);
	room_leave(&room, &b);
	assert_ptr_equal(room_expired(&room, 9 * S), &c);
	room_leave(&room, &c);
	assert_ptr_equal(room_expired(&room, 9 * S), &a);
	room_leave(&room, &a);
	assert_true(room_deadline_us(&room) == ROOM_NEVER);
}

/* ---- against one that looks at all of them, each time */

#define NODES 600
static struct room_node node[NODES];
static struct room_node *line[NODES]; /* the reference: in order */
static unsigned in_line;

static void reference_enter(struct room_node *n)
{
	unsigned at = in_line;

	while (at && line[at - 1]->order < n->order)
		at--;
	memmove(&line[at + 1], &line[at], (in_line - at) * sizeof(*line));
	line[at] = n;
	in_line++;
}

static void reference_leave(const struct room_node *n)
{
	for (unsigned i = 0; i < in_line; i++)
		if (line[i] == n) {
			memmove(&line[i], &line[i + 1], (in_line - i - 1) * sizeof(*line));
			in_line--;
			return;
		}
	fail();
}

static void expect_same(uint64_t now_us)
{
	uint64_t earliest_us = ROOM_NEVER, oldest_us = 0;
	unsigned i = 0;

	for (const struct room_node *n = room_first(&room); n; n = room_next(n))
		assert_ptr_equal(n, line[i++]);
	assert_int_equal(i, in_line);
	for (i = 0; i < in_line; i++) {
		if (!oldest_us || line[i]->since_us < oldest_us)
			oldest_us = line[i]->since_us;
		if (line[i]->deadline_us < earliest_us)
			earliest_us = line[i]->deadline_us;
	}
	assert_true(room_oldest_us(&room) == oldest_us);
	assert_int_equal(room_count(&room), in_line);
	assert_true(room_deadline_us(&room) == earliest_us);
	if (earliest_us <= now_us)
		assert_true(room_expired(&room, now_us)->deadline_us == earliest_us);
	else
		assert_null(room_expired(&room, now_us));
}

static void as_one_that_looks_at_all(void **state)
{
	uint64_t random = 7, now_us = S;
	unsigned entered = 0, refused = 0, full = 0;

	for (unsigned step = 0; step < 20000; step++) {
		struct room_node *n = &node[splitmix_next(&random) % NODES], *out = NULL;
		struct room_offer offer = { .now_us = now_us += splitmix_next(&random) % 2000,
					    .order = (uint32_t)(splitmix_next(&random) % 20),
					    .hold_us = (uint32_t)(splitmix_next(&random) % 3000000),
					    .pass_milli = 100000,
					    .most = 150 };
		unsigned ahead = 0;

		if (n->size) {
			room_leave(&room, n);
			reference_leave(n);
		} else {
			enum room_answer answer;

			while (ahead < in_line && line[ahead]->order >= offer.order)
				ahead++;
			assert_int_equal(room_ahead(&room, offer.order), ahead);
			answer = room_enter(&room, &offer, n, &out);
			if (ahead * 10000u >= offer.hold_us) {
				assert_int_equal(answer, ROOM_TOO_LONG);
				refused++;
			} else if (in_line >= offer.most && ahead == in_line) {
				assert_int_equal(answer, ROOM_FULL);
				full++;
			} else {
				assert_int_equal(answer,
						 in_line >= offer.most ? ROOM_INSTEAD : ROOM_WAIT);
				if (out) {
					assert_ptr_equal(out, line[in_line - 1]);
					reference_leave(out);
				}
				reference_enter(n);
				entered++;
			}
		}
		if (splitmix_next(&random) % 4 == 0) {
			n = room_expired(&room, now_us);
			if (n) {
				room_leave(&room, n);
				reference_leave(n);
			}
		}
		expect_same(now_us);
	}
	assert_true(entered > 1000 && refused > 100 && full > 10);
}

static unsigned depth(const struct room_node *n)
{
	unsigned left = n ? depth(n->left) : 0, right = n ? depth(n->right) : 0;

	return n ? 1 + (left > right ? left : right) : 0;
}

static void the_tree_stays_flat(void **state)
{
	const unsigned count = 20000;
	struct room_node *many = calloc(count, sizeof(*many)), *out;

	for (unsigned i = 0; i < count; i++) {
		struct room_offer offer = { .now_us = S,
					    .order = i,
					    .hold_us = 1,
					    .pass_milli = UINT32_MAX,
					    .most = count };

		assert_int_equal(room_enter(&room, &offer, &many[i], &out), ROOM_WAIT);
	}
	assert_true(depth(room.root) < 60);
	for (unsigned i = 0; i < count; i++)
		room_leave(&room, &many[i]);
	assert_null(room.root);
	free(many);
}

static void a_debt_is_kept_until_it_is_settled(void **state)
{
	static struct room_debts debts;

	room_debts_init(&debts, 3);
	assert_false(room_owes(&debts, 77, S));
	room_owe(&debts, 77, S);
	room_owe(&debts, 77, 2 * S);
	assert_true(room_owes(&debts, 77, 3 * S));
	assert_false(room_owes(&debts, 78, 3 * S));
	assert_false(room_owes(&debts, 77, 2 * S + ROOM_DEBT_LASTS_US));
	room_settle(&debts, 77, 3 * S);
	room_settle(&debts, 77, 3 * S);
	assert_false(room_owes(&debts, 77, 3 * S));
	/* Who was told without a wait is owed one place in ten seconds, not one after the other. */
	room_owe_told(&debts, 77, 3 * S + ROOM_DEBT_RESTS_US - 1);
	assert_false(room_owes(&debts, 77, 3 * S + ROOM_DEBT_RESTS_US - 1));
	room_owe_told(&debts, 77, 3 * S + ROOM_DEBT_RESTS_US);
	assert_true(room_owes(&debts, 77, 3 * S + ROOM_DEBT_RESTS_US));
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(by_rank_and_then_who_has_waited_longest, setup),
		cmocka_unit_test(many_sessions_of_a_source_come_later),
		cmocka_unit_test_setup(refused_only_when_the_wait_to_expect_is_too_long, setup),
		cmocka_unit_test_setup(while_the_queue_stands_only_who_is_sure_of_a_place_waits,
				       setup),
		cmocka_unit_test_setup(at_the_bound_only_who_comes_before_the_last_gets_in, setup),
		cmocka_unit_test_setup(who_has_waited_long_enough_is_found_in_any_order, setup),
		cmocka_unit_test_setup(as_one_that_looks_at_all, setup),
		cmocka_unit_test_setup(the_tree_stays_flat, setup),
		cmocka_unit_test(a_debt_is_kept_until_it_is_settled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
