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

static void who_leaves_without_a_greeting_overtakes_no_session(void **state)
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

/* ---- answers -------------------------------------------------------------------------------- */

#define ASKS 4096

/* Sessions that wait for an answer, the oldest first, and how the server serves them. */
struct asks {
	struct answers answers;
	struct ask ask[ASKS];
	bool stuck[ASKS];
	int count, stuck_count, stuck_most;
};

static void ask(struct asks *a)
{
	int i = a->count++;

	assert_in_range(i, 0, ASKS - 1);
	a->stuck[i] = false;
	a->ask[i] = answers_ask(&a->answers, (uint64_t)(i - a->stuck_count));
}

/* A look at all of them. Returns how many are stuck. */
static int look(struct asks *a)
{
	for (int i = 0; i < a->count; i++) {
		bool now = !a->stuck[i] && answers_overtaken(&a->answers, &a->ask[i]);

		a->stuck[i] |= now;
		a->stuck_count += now;
	}
	if (a->stuck_count > a->stuck_most)
		a->stuck_most = a->stuck_count;
	return a->stuck_count;
}

/* This one is answered, and is a job. */
static void answer(struct asks *a, int i)
{
	if (a->stuck[i])
		answers_late(&a->answers);
	a->stuck_count -= a->stuck[i];
	a->count--;
	for (; i < a->count; i++) {
		a->ask[i] = a->ask[i + 1];
		a->stuck[i] = a->stuck[i + 1];
	}
	answers_job(&a->answers);
}

static void who_is_served_in_order_is_never_stuck(void **state)
{
	static struct asks a;

	(void)state;
	a = (struct asks){ 0 };
	for (int i = 0; i < 500; i++)
		ask(&a);
	for (int i = 0; i < 2000; i++) {
		answer(&a, 0);
		assert_int_equal(look(&a), 0);
		ask(&a);
	}
}

/* Seventy ask while a commit runs, and the next commit answers all of them at once. */
static void who_waits_for_the_next_commit_is_not_stuck(void **state)
{
	static struct asks a;

	(void)state;
	a = (struct asks){ 0 };
	for (int commit = 0; commit < 50; commit++) {
		int before = a.count;

		for (int i = 0; i < 70; i++)
			ask(&a);
		for (int i = 0; i < before; i++) {
			answer(&a, 0);
			assert_int_equal(look(&a), 0);
		}
	}
}

/* Of a hundred jobs ten go through a filter before the queue, in order, and wait there while two
 * hundred others are done. At first they look stuck; by their answers it is learned that they are
 * not. */
static void few_are_stuck_in_a_slow_filter(void **state)
{
	static struct asks a;
	int stuck = 0, looks = 0;

	(void)state;
	a = (struct asks){ 0 };
	for (int job = 0; job < 20000; job++) {
		if (job % 10 == 0) {
			ask(&a);
			if (a.count > 20)
				answer(&a, 0);
		} else {
			answers_job(&a.answers);
		}
		look(&a);
		if (job >= 2000) {
			stuck += a.stuck_count;
			looks++;
		}
	}
	assert_in_range(a.stuck_most, 0, 20);
	assert_in_range(stuck, 0, looks * 20 / 5); /* a fifth of those that wait there */
}

/* And those that wait for an answer that never comes are stuck in the end, beside that filter,
 * too. */
static void who_is_never_answered_is_stuck(void **state)
{
	static struct asks a;
	int needed = 0;

	(void)state;
	a = (struct asks){ 0 };
	assert_int_equal(answers_long_us(&a.answers), 10000000);
	for (int i = 0; i < 58; i++)
		ask(&a);
	for (; a.stuck_count < 58; needed++) {
		answers_job(&a.answers);
		look(&a);
	}
	assert_int_equal(needed, 57 + 57 + 8);
	for (int i = 0; i < 100; i++)
		answers_late(&a.answers);
	assert_int_equal(answers_long_us(&a.answers), 300000000);
	for (int i = 0; i < 2000; i++)
		answers_job(&a.answers);
	assert_in_range(answers_long_us(&a.answers), 10000000, 11000000);
}

/* A client may hold sessions on purpose: what is slow of one source is load up to four sessions, or
 * an eighth of all. */
static void few_slow_sessions_of_one_source_are_load(void **state)
{
	const struct answers none = { 0 };

	(void)state;
	assert_int_equal(answers_slow_us(&none), 2000000);
	assert_false(answers_slow_is_no_load(4, 10, 20));
	assert_true(answers_slow_is_no_load(5, 10, 20));
	assert_false(answers_slow_is_no_load(100, 400, 800));
	assert_true(answers_slow_is_no_load(101, 400, 800));
	assert_false(answers_slow_is_no_load(101, 401, 800)); /* most are its own */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_waits_in_a_queue_is_never_overtaken),
		cmocka_unit_test(where_there_is_no_order_few_are),
		cmocka_unit_test(who_is_passed_by_all_who_come_later_is_overtaken),
		cmocka_unit_test(who_leaves_without_a_greeting_overtakes_no_session),
		cmocka_unit_test(who_is_served_in_order_is_never_stuck),
		cmocka_unit_test(who_waits_for_the_next_commit_is_not_stuck),
		cmocka_unit_test(few_are_stuck_in_a_slow_filter),
		cmocka_unit_test(who_is_never_answered_is_stuck),
		cmocka_unit_test(few_slow_sessions_of_one_source_are_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
