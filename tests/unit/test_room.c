#include "cmocka_test.h"

#include "core/room.h"

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
					  .terms = { .hold_us = hold_us,
						     .longest_us = hold_us,
						     .pass_milli = PASS,
						     .most = 1000 } };

	return room_enter(&room, &offer, node, &out);
}

/* Nothing is said of how the room does. */
static struct room_node *expired(uint64_t now_us)
{
	return room_in_vain(&room, &(struct room_terms){ .pass_milli = 1 }, now_us);
}

/* The one that gets the next place leaves. */
static struct room_node *next(void)
{
	struct room_node *n = room_first(&room);

	if (n)
		room_leave(&room, n);
	return n;
}

static void by_rank_and_then_who_has_waited_longest(void **state)
{
	struct room_node a, b, c, d;

	assert_null(room_first(&room));
	assert_int_equal(enter(&a, room_order(100 << 6, 0), 10 * S / 10, 2 * S), ROOM_WAIT);
	assert_int_equal(enter(&b, room_order(200 << 6, 0), 11 * S / 10, 2 * S), ROOM_WAIT);
	assert_int_equal(enter(&c, room_order(200 << 6, 0), 12 * S / 10, 2 * S), ROOM_WAIT);
	assert_int_equal(enter(&d, ROOM_OWED, 13 * S / 10, 2 * S), ROOM_WAIT);
	assert_int_equal(room_count(&room), 4);
	assert_ptr_equal(next(), &d);
	assert_ptr_equal(room_first(&room), &b);
	room_leave(&room, &c);
	assert_int_equal(room_count(&room), 2);
	assert_int_equal(enter(&c, room_order(200 << 6, 0), 12 * S / 10, 2 * S), ROOM_WAIT);
	assert_ptr_equal(next(), &b);
	assert_ptr_equal(next(), &c);
	assert_ptr_equal(next(), &a);
	assert_null(room_first(&room));
}

/* Two seconds at most: a doubling is worth a quarter of a second. */
static void no_client_is_overtaken_for_long(void **state)
{
	struct room_node low, soon, late, much;
	uint32_t three = room_order(500 << 6, 3), one = room_order(500 << 6, 1);

	assert_int_equal(enter(&low, three, S, 2 * S), ROOM_WAIT);
	assert_int_equal(enter(&soon, one, S + 240000, 2 * S), ROOM_WAIT);
	assert_int_equal(enter(&late, one, S + 260000, 2 * S), ROOM_WAIT);
	assert_int_equal(enter(&much, room_order(500 << 6, 0), S + 490000, 2 * S), ROOM_WAIT);
	assert_ptr_equal(next(), &soon);
	assert_ptr_equal(next(), &much);
	assert_ptr_equal(next(), &low);
	assert_ptr_equal(next(), &late);
}

/* Half of them are put off for an hour, as their process did not run. */
static void one_that_is_put_off_has_its_deadline_later(void **state)
{
	static struct room_node node[100];

	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(
			enter(&node[i], room_order((uint16_t)(i * 37 % 100 << 6), 0), S + i, 3 * S),
			ROOM_WAIT);
	for (unsigned i = 0; i < 50; i++)
		room_postpone(&node[i], 3600 * S);
	for (unsigned i = 50; i < 150; i++) {
		uint64_t until = 4 * S + 750000 + i % 100 + (i < 100 ? 0 : 3600 * S);

		assert_null(expired(until - 1));
		assert_ptr_equal(expired(until), &node[i % 100]);
		room_leave(&room, &node[i % 100]);
	}
	assert_null(expired(UINT64_MAX - 1));
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
static const struct room_terms standing = {
	.hold_us = S / 5, .longest_us = 5 * S, .pass_milli = 100000, .most = 1000
};

static enum room_answer enter_standing(struct room_node *node, uint32_t order, uint64_t now_us)
{
	struct room_node *out;
	const struct room_offer offer = { .now_us = now_us, .order = order, .terms = standing };

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
	/* One of a higher order comes before them, and all get a place in their time. */
	assert_int_equal(enter_standing(&node[in], high, S), ROOM_WAIT);
	assert_null(room_in_vain(&room, &standing, S));
	assert_ptr_equal(next(), &node[in]);
	assert_ptr_equal(next(), &node[0]);
	while (next())
		;
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
	assert_int_equal(enter_standing(&node[0], low, 12 * S + S * 6 / 10), ROOM_OVERTAKEN);
	assert_int_equal(enter_standing(&node[1], low, 12 * S + S * 14 / 10), ROOM_WAIT);
	assert_int_equal(enter_standing(&node[0], high, 12 * S + S * 14 / 10), ROOM_WAIT);
	assert_int_equal(enter_standing(&node[2], low, 20 * S), ROOM_WAIT);
}

static void who_is_owed_a_place_waits_longer_while_the_queue_stands(void **state)
{
	static struct room_node node[200];
	const struct room_offer shut = {
		.now_us = S,
		.order = ROOM_OWED,
		.terms = { .longest_us = 5 * S, .pass_milli = PASS, .most = 10 }
	};
	struct room_offer stranger = shut;
	struct room_node *out;
	unsigned in = 0;

	assert_int_equal(enter_standing(&node[in++], room_order(500 << 6, 0), S), ROOM_WAIT);
	while (enter_standing(&node[in], ROOM_OWED, S) == ROOM_WAIT)
		in++;
	assert_int_equal(in, 1 + 63); /* an eighth of 5 s, at 100 places a second */
	assert_ptr_equal(room_first(&room), &node[1]);
	assert_int_equal(enter_standing(&node[in], room_order(500 << 6, 0), S), ROOM_TOO_LONG);
	while (room_first(&room))
		room_leave(&room, room_first(&room));
	stranger.order = room_order(500 << 6, 0);
	assert_int_equal(room_enter(&room, &stranger, &node[0], &out), ROOM_TOO_LONG);
	assert_int_equal(room_enter(&room, &shut, &node[0], &out), ROOM_WAIT);
}

/* 300 wait for up to 5 s when 40 places a second are left of 100, and it lasts. */
static void when_the_queue_begins_to_stand_who_gets_no_place_is_told(void **state)
{
	static struct room_node node[300];
	uint32_t usual = room_order(512 << 6, 0);
	struct room_terms terms = standing;
	struct room_node *n;
	unsigned told = 0;

	for (unsigned i = 0; i < 300; i++) {
		struct room_node *out;
		struct room_offer offer = { .now_us = S, .order = usual, .terms = standing };

		offer.terms.hold_us = offer.terms.longest_us;
		assert_int_equal(room_enter(&room, &offer, &node[i], &out), ROOM_WAIT);
	}
	assert_null(room_in_vain(&room, &standing, 2 * S)); /* 3 s at 100 a second */
	terms.pass_milli = 40000;
	while ((n = room_in_vain(&room, &terms, 2 * S))) {
		assert_ptr_equal(n, &node[299 - told]);
		room_leave(&room, n);
		told++;
	}
	/* 5.25 s are left: the one behind 210 others gets its place just in time. */
	assert_int_equal(room_count(&room), 211);
	terms.pass_milli = 10000;
	terms.hold_us = terms.longest_us;
	assert_null(room_in_vain(&room, &terms, 2 * S)); /* it may pass */
	terms.pass_milli = 0;
	terms.hold_us = 0;
	assert_null(room_in_vain(&room, &terms, 2 * S)); /* nothing is known */
	assert_non_null(room_in_vain(&room, &terms, S + 6250000));
}

/* Half of those who wait are of one source. Its last ones come 4.5 s later than others, who take
 * all places meanwhile; and newcomers are not kept out by it. */
static void when_the_queue_begins_to_stand_a_flood_that_waits_is_told(void **state)
{
	static struct room_node node[400];
	struct room_node *n;
	unsigned in = 0, told = 0;

	for (uint32_t i = 0; i < 299; i++) {
		struct room_node *out;
		struct room_offer offer = { .now_us = S,
					    .order = room_order(512 << 6, i % 2 ? i / 2 : 0),
					    .terms = standing };

		offer.terms.hold_us = offer.terms.longest_us;
		assert_int_equal(room_enter(&room, &offer, &node[i], &out), ROOM_WAIT);
	}
	while ((n = room_in_vain(&room, &standing, S + S / 2))) {
		assert_true((n - node) % 2);
		room_leave(&room, n);
		told++;
	}
	assert_in_range(told, 10, 149);
	for (unsigned i = 0; i < 299; i += 2)
		room_leave(&room, &node[i]);
	while (enter_standing(&node[300 + in], room_order(512 << 6, 0), S + S / 2) == ROOM_WAIT)
		in++;
	assert_in_range(in, 10, 20);
}

static void at_the_bound_only_who_comes_before_the_last_gets_in(void **state)
{
	struct room_node a, b, c, *out = NULL;
	struct room_offer offer = {
		.now_us = S,
		.order = 10,
		.terms = { .hold_us = 2 * S, .longest_us = 2 * S, .pass_milli = PASS, .most = 2 }
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
	offer.terms.most = 0;
	offer.order = ROOM_OWED;
	room_leave(&room, &a);
	room_leave(&room, &c);
	assert_int_equal(room_enter(&room, &offer, &c, &out), ROOM_FULL);
}

#define END_US (3 * S + S / 4)

/* Places come free by chance: a client that was let in because it would just get one may wait for
 * a quarter of the longest wait more, however few come free. */
static void a_wait_may_last_longer_than_expected_but_not_without_end(void **state)
{
	struct room_node node;
	struct room_node *out;
	struct room_offer offer = { .now_us = S, .order = 10, .terms = standing };

	offer.terms.pass_milli = 20000;
	assert_int_equal(room_enter(&room, &offer, &node, &out), ROOM_WAIT);
	assert_int_equal(node.deadline_us, S + S / 5 + 5 * S / 4);
	room_leave(&room, &node);
	offer.terms.pass_milli = 1;
	offer.terms.hold_us = offer.terms.longest_us;
	assert_int_equal(room_enter(&room, &offer, &node, &out), ROOM_WAIT);
	assert_int_equal(node.deadline_us, S + 5 * S + 5 * S / 4);
}

static void who_has_waited_long_enough_is_found_in_any_order(void **state)
{
	struct room_node a, b, c;

	assert_null(expired(ROOM_NEVER));
	enter(&a, 1, 1 * S, 5 * S);
	enter(&b, 2, 2 * S, 1 * S);
	enter(&c, 3, 3 * S, 2 * S);
	/* What it may expect, and a quarter. */
	assert_null(expired(END_US - 1));
	assert_ptr_equal(expired(END_US), &b);
	room_leave(&room, &b);
	assert_ptr_equal(expired(9 * S), &c);
	room_leave(&room, &c);
	assert_ptr_equal(expired(9 * S), &a);
	room_leave(&room, &a);
	assert_null(expired(ROOM_NEVER));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(by_rank_and_then_who_has_waited_longest, setup),
		cmocka_unit_test_setup(no_client_is_overtaken_for_long, setup),
		cmocka_unit_test_setup(one_that_is_put_off_has_its_deadline_later, setup),
		cmocka_unit_test(many_sessions_of_a_source_come_later),
		cmocka_unit_test_setup(refused_only_when_the_wait_to_expect_is_too_long, setup),
		cmocka_unit_test_setup(while_the_queue_stands_only_who_is_sure_of_a_place_waits,
				       setup),
		cmocka_unit_test_setup(who_is_owed_a_place_waits_longer_while_the_queue_stands,
				       setup),
		cmocka_unit_test_setup(when_the_queue_begins_to_stand_who_gets_no_place_is_told,
				       setup),
		cmocka_unit_test_setup(when_the_queue_begins_to_stand_a_flood_that_waits_is_told,
				       setup),
		cmocka_unit_test_setup(at_the_bound_only_who_comes_before_the_last_gets_in, setup),
		cmocka_unit_test_setup(a_wait_may_last_longer_than_expected_but_not_without_end,
				       setup),
		cmocka_unit_test_setup(who_has_waited_long_enough_is_found_in_any_order, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
