/* The room's tree against a line that looks at all clients, each time; and how deep it gets. */
#include "cmocka_test.h"

#include <stdlib.h>

#include "core/room.h"
#include "core/splitmix.h"

#define S UINT64_C(1000000)

static struct room room;

static int setup(void **state)
{
	room_init(&room, 1);
	return 0;
}

/* Nothing is said of how the room does. */
static struct room_node *expired(uint64_t now_us)
{
	return room_in_vain(&room, &(struct room_terms){ .pass_milli = 1 }, now_us);
}

#define NODES 600
static struct room_node node[NODES];
static struct room_node *line[NODES]; /* the reference: in order */
static unsigned in_line;

static void reference_enter(struct room_node *n)
{
	unsigned at = in_line;

	while (at && line[at - 1]->key_us > n->key_us)
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

/* In order, from `at` on. Returns where it ends. */
static unsigned expect_in_line(const struct room_node *n, unsigned at)
{
	if (!n)
		return at;
	at = expect_in_line(n->left, at);
	assert_ptr_equal(n, line[at]);
	return expect_in_line(n->right, at + 1);
}

static void expect_same(uint64_t now_us)
{
	uint64_t earliest_us = ROOM_NEVER, oldest_us = 0;

	assert_int_equal(expect_in_line(room.root, 0), in_line);
	assert_ptr_equal(room_first(&room), in_line ? line[0] : NULL);
	for (unsigned i = 0; i < in_line; i++) {
		if (!oldest_us || line[i]->since_us < oldest_us)
			oldest_us = line[i]->since_us;
		if (line[i]->deadline_us < earliest_us)
			earliest_us = line[i]->deadline_us;
	}
	assert_true(room_oldest_us(&room) == oldest_us);
	assert_int_equal(room_count(&room), in_line);
	assert_null(expired(earliest_us - 1));
	if (in_line)
		assert_true(expired(earliest_us)->deadline_us == earliest_us);
	if (earliest_us <= now_us)
		assert_true(expired(now_us)->deadline_us == earliest_us);
}

/* A client comes; the reference says what must become of it. */
static enum room_answer come(struct room_node *n, const struct room_offer *offer)
{
	uint64_t key_us =
		offer->now_us + (UINT64_C(3072) - offer->order) * offer->terms.hold_us / 256;
	struct room_node *out = NULL;
	unsigned ahead = 0;
	enum room_answer answer;

	while (ahead < in_line && line[ahead]->key_us <= key_us)
		ahead++;
	assert_int_equal(room_ahead(&room, offer), ahead);
	answer = room_enter(&room, offer, n, &out);
	if (ahead * 10000u >= offer->terms.hold_us) {
		assert_int_equal(answer, ROOM_TOO_LONG);
	} else if (in_line >= offer->terms.most && ahead == in_line) {
		assert_int_equal(answer, ROOM_FULL);
	} else {
		assert_int_equal(answer, in_line >= offer->terms.most ? ROOM_INSTEAD : ROOM_WAIT);
		if (out) {
			assert_ptr_equal(out, line[in_line - 1]);
			reference_leave(out);
		}
		reference_enter(n);
	}
	return answer;
}

static void go(struct room_node *n)
{
	room_leave(&room, n);
	reference_leave(n);
}

static void as_one_that_looks_at_all(void **state)
{
	uint64_t random = 7, now_us = S;
	unsigned entered = 0, refused = 0, full = 0;

	for (unsigned step = 0; step < 20000; step++) {
		struct room_node *n = &node[splitmix_next(&random) % NODES];
		uint32_t order = (uint32_t)(splitmix_next(&random) % 20);
		uint32_t hold_us = (uint32_t)(splitmix_next(&random) % 3000000);
		struct room_offer offer = { .now_us = now_us += splitmix_next(&random) % 2000,
					    .order = order,
					    .terms = { .hold_us = hold_us,
						       .longest_us = hold_us,
						       .pass_milli = 100000,
						       .most = 150 } };

		if (n->size) {
			go(n);
		} else {
			enum room_answer answer = come(n, &offer);

			refused += answer == ROOM_TOO_LONG;
			full += answer == ROOM_FULL;
			entered += answer == ROOM_WAIT || answer == ROOM_INSTEAD;
		}
		if (splitmix_next(&random) % 4 == 0 && expired(now_us))
			go(expired(now_us));
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
		struct room_offer offer = { .now_us = S + i,
					    .order = 500,
					    .terms = { .hold_us = S,
						       .longest_us = S,
						       .pass_milli = UINT32_MAX,
						       .most = count } };

		assert_int_equal(room_enter(&room, &offer, &many[i], &out), ROOM_WAIT);
	}
	assert_true(depth(room.root) < 60);
	for (unsigned i = 0; i < count; i++)
		room_leave(&room, &many[i]);
	assert_null(room.root);
	free(many);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(as_one_that_looks_at_all, setup),
		cmocka_unit_test_setup(the_tree_stays_flat, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
