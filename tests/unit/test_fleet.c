/* What hosts tell each other: merging, the memory, the bytes. */
#include "base/array.h"
#include "fleet_memory.h"

#include <errno.h>
#include <stdio.h>

#include "core/fleet_host.h"
#include "core/splitmix.h"

static unsigned below(uint64_t *random, unsigned most)
{
	return (unsigned)(splitmix_unit(random) * most);
}

static struct fleet_record any_record(uint64_t *random)
{
	struct fleet_record r = { .key = 7, .epoch = below(random, 4) * 100 };

	if (below(random, 4)) {
		r.first = r.epoch + 1 + below(random, 50);
		r.last = r.first + below(random, 50);
		r.tries = (uint8_t)(1 + below(random, 5));
		r.classes = (uint8_t)below(random, 8);
	} else {
		r.classes = (uint8_t)below(random, 4);
	}
	return r;
}

static struct fleet_record joined(struct fleet_record a, struct fleet_record b)
{
	fleet_merge(&a, &b);
	return a;
}

#define assert_same(a, b) \
	do { \
		struct fleet_record a_ = (a), b_ = (b); \
		assert_memory_equal(&a_, &b_, sizeof(a_)); \
	} while (0)

static void merging_is_idempotent_commutative_and_associative(void **state)
{
	uint64_t random = 1;

	for (int i = 0; i < 20000; i++) {
		struct fleet_record a = any_record(&random), b = any_record(&random),
				    c = any_record(&random);

		assert_same(joined(a, a), a);
		assert_same(joined(a, b), joined(b, a));
		assert_same(joined(joined(a, b), c), joined(a, joined(b, c)));
	}
}

static void the_earliest_first_the_latest_last_and_most_tries_count(void **state)
{
	struct fleet_record a = { .key = 1, .first = 100, .last = 100, .tries = 1 };
	struct fleet_record b = { .key = 1, .first = 101, .last = 400, .tries = 2 };
	struct fleet_record in = { .key = 1, .epoch = 700 }, r = joined(a, b);

	assert_int_equal(r.first, 100);
	assert_int_equal(r.last, 400);
	assert_int_equal(r.tries, 2);
	r = joined(in, r); /* admitted at 700 by a host that is heard first */
	assert_int_equal(r.first, 0);
	assert_int_equal(r.tries, 0);
}

/* ---- the memory ----------------------------------------------------------------------------- */

static struct fleet_record known(struct fleet_memory *m, uint64_t of)
{
	const struct fleet_record nothing = { .key = of };
	struct fleet_record r = { 0 };

	fleet_take(m, &nothing, NOW, &r);
	return r;
}

/* Every record that a host says reaches the others in any order, some of them more than once, and
 * some not before they are said again: in the end all hosts know the same. */
static void hosts_agree_whatever_becomes_of_messages(void **state)
{
	for (uint64_t seed = 1; seed <= 200; seed++) {
		struct fleet_memory m[3];
		static struct fleet_record said[4096];
		unsigned count = 0;
		uint64_t random = seed;
		uint32_t now = NOW;

		for (int h = 0; h < 3; h++)
			make_memory(&m[h], 64, 1024);
		for (int i = 0; i < 200; i++) {
			struct fleet_seen seen = { .deferred = below(&random, 4) > 0 };
			struct fleet_record r;
			unsigned h = below(&random, 3);
			uint64_t of = 1 + below(&random, 8);

			now += below(&random, 200);
			if (seen.deferred)
				seen = (struct fleet_seen){ true, now - below(&random, 100), now,
							    (uint8_t)(1 + below(&random, 3)), 0 };
			fleet_note(&m[h], of, &seen, now, &r);
			count += fleet_changes(&m[h], said + count, 8);
			if (count && below(&random, 3)) /* lost, late, doubled: anything */
				fleet_take(&m[below(&random, 3)], &said[below(&random, count)], now,
					   &r);
		}
		/* What a host says when it learns that its own wait goes on in a later epoch
		 * reaches the others, too. */
		for (unsigned i = 0; i < count; i++) {
			unsigned other = i + below(&random, count - i);
			struct fleet_record r = said[other];

			said[other] = said[i];
			said[i] = r;
			for (int h = 0; h < 3; h++) {
				fleet_take(&m[h], &said[i], now, &r);
				count += fleet_changes(&m[h], said + count, 4096 - count);
			}
			assert_true(count < 4096);
		}
		for (uint64_t of = 1; of <= 8; of++) {
			assert_same(known(&m[0], of), known(&m[1], of));
			assert_same(known(&m[0], of), known(&m[2], of));
		}
		for (int h = 0; h < 3; h++)
			free_memory(&m[h]);
	}
}

static void a_wait_that_goes_on_elsewhere_survives_an_admission(void **state)
{
	struct fleet_memory m;
	struct fleet_seen seen = { true, NOW + 50, NOW + 400, 2, 0 };
	struct fleet_record admitted = { .key = 9, .epoch = NOW + 20 }, r;

	make_memory(&m, 16, 16);
	fleet_note(&m, 9, &seen, NOW + 400, &r);
	fleet_take(&m, &admitted, NOW + 401, &r);
	assert_int_equal(r.first, NOW + 50); /* it began after that */
	assert_int_equal(r.tries, 2);
	assert_int_equal(fleet_changes(&m, &r, 1), 1); /* and the others are told */
	assert_int_equal(r.epoch, NOW + 20);
	free_memory(&m);
}

static void the_memory_and_its_queue_are_bounded(void **state)
{
	struct fleet_memory m;
	struct fleet_record r, out[64];
	unsigned told = 0, n;

	make_memory(&m, 16, 32);
	for (uint32_t i = 1; i <= 1000; i++) {
		struct fleet_seen seen = { true, NOW + i, NOW + i, 1, 0 };

		fleet_note(&m, i, &seen, NOW + i, &r);
	}
	assert_true(m.tracked <= 16 * FLEET_SET_SLOTS);
	assert_int_equal(m.tracked + m.forgotten, 1000);
	assert_true(m.left_out > 0);
	while ((n = fleet_changes(&m, out, 64)) > 0)
		told += n;
	assert_true(told <= 32);
	free_memory(&m);
}

static void what_makes_no_sense_is_not_taken(void **state)
{
	const struct fleet_record bad[] = {
		{ .key = 0, .epoch = NOW },
		{ .key = 1, .epoch = NOW + 3600 }, /* a clock that is ahead */
		{ .key = 1, .first = NOW, .last = NOW - 1, .tries = 1 },
		{ .key = 1, .first = NOW, .last = NOW },
		{ .key = 1, .tries = 3 },
		{ .key = 1, .epoch = NOW, .classes = 0x80 },
		{ .key = 1, .epoch = NOW - 40 * 86400 },
		/* the clock was years behind when the wait began, and is right now */
		{ .key = 1, .first = NOW - 200000000, .last = NOW, .tries = 2 },
	};
	struct fleet_memory m;
	struct fleet_record r;

	make_memory(&m, 16, 16);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(fleet_take(&m, &bad[i], NOW, &r));
	assert_int_equal(m.tracked, 0);
	free_memory(&m);
}

/* As after a restart: what hosts say next is taken, and nothing of what was there is sent. */
static void what_is_forgotten_is_neither_known_nor_told(void **state)
{
	const struct fleet_seen seen = { true, NOW + 7200, NOW + 7200, 1, 0 };
	const struct fleet_record said = { .key = 7, .first = NOW, .last = NOW, .tries = 1 };
	struct fleet_record r, out[8];
	struct fleet_memory m;

	make_memory(&m, 16, 16);
	assert_true(fleet_note(&m, 7, &seen, NOW + 7200, &r));
	fleet_forget(&m);
	assert_false(fleet_knows(&m, 7));
	assert_int_equal(m.tracked, 0);
	assert_int_equal(fleet_changes(&m, out, 8), 0);
	assert_true(fleet_take(&m, &said, NOW, &r));
	assert_int_equal(r.last, NOW);
	assert_int_equal(m.tracked, 1);
	free_memory(&m);
}

/* ---- bytes ---------------------------------------------------------------------------------- */

/* Of appendix A of the paper: key 00..0f, message 00..0e. */
static void siphash_is_that_of_its_paper(void **state)
{
	const struct siphash_key paper = { { UINT64_C(0x0706050403020100),
					     UINT64_C(0x0f0e0d0c0b0a0908) } };
	uint8_t message[15];

	for (uint8_t i = 0; i < sizeof(message); i++)
		message[i] = i;
	assert_int_equal(siphash(&paper, message, sizeof(message)), UINT64_C(0xa129ca6149be45e5));
	assert_int_equal(siphash(&paper, message, 0), UINT64_C(0x726fdb47dd0e0e31));
	assert_int_equal(siphash(&paper, message, 8), UINT64_C(0x93f5f5799a932462));
}

static void records_come_back_and_damage_is_found(void **state)
{
	struct fleet_record in[3], out[FLEET_FRAME_RECORDS];
	const struct siphash_key other = { { 1, 2 } };
	static uint8_t bytes[FLEET_FRAME_BYTES];
	uint64_t random = 5, host = 0;
	size_t length;

	for (int i = 0; i < 3; i++)
		in[i] = any_record(&random);
	length = fleet_put_records(&key, 77, in, 3, bytes);
	assert_int_equal(fleet_get_records(&key, bytes, length, &host, out), 3);
	assert_int_equal(host, 77);
	assert_memory_equal(in, out, sizeof(in));
	assert_int_equal(fleet_get_records(&other, bytes, length, &host, out), -EBADMSG);
	for (size_t i = 0; i < length; i++) {
		assert_int_equal(fleet_get_records(&key, bytes, i, &host, out), -EBADMSG);
		bytes[i] ^= 0x10;
		assert_int_equal(fleet_get_records(&key, bytes, length, &host, out), -EBADMSG);
		bytes[i] ^= 0x10;
	}
}

static void a_host_comes_back_and_its_name_is_printable(void **state)
{
	struct fleet_host in = { .name = "mx1.example.org",
				 .id = 3,
				 .realtime_us = 4,
				 .window = -1,
				 .in_flight = 6,
				 .demand = 1.5f,
				 .level = 2,
				 .observes = 1 },
			  out;
	static uint8_t bytes[FLEET_FRAME_BYTES];
	size_t length = fleet_put_host(&key, &in, bytes);

	assert_int_equal(fleet_get_host(&key, bytes, length, &out), 0);
	assert_memory_equal(&in, &out, sizeof(in));
	in.name[3] = '<';
	length = fleet_put_host(&key, &in, bytes);
	assert_int_equal(fleet_get_host(&key, bytes, length, &out), -EBADMSG);
	in.name[3] = '1';
	in.demand = -1;
	length = fleet_put_host(&key, &in, bytes);
	assert_int_equal(fleet_get_host(&key, bytes, length, &out), 0);
	assert_true(out.demand < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(merging_is_idempotent_commutative_and_associative),
		cmocka_unit_test(the_earliest_first_the_latest_last_and_most_tries_count),
		cmocka_unit_test(hosts_agree_whatever_becomes_of_messages),
		cmocka_unit_test(a_wait_that_goes_on_elsewhere_survives_an_admission),
		cmocka_unit_test(the_memory_and_its_queue_are_bounded),
		cmocka_unit_test(what_makes_no_sense_is_not_taken),
		cmocka_unit_test(what_is_forgotten_is_neither_known_nor_told),
		cmocka_unit_test(siphash_is_that_of_its_paper),
		cmocka_unit_test(records_come_back_and_damage_is_found),
		cmocka_unit_test(a_host_comes_back_and_its_name_is_printable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
