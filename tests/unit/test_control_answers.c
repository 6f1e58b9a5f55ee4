/* What a process that parses calls of control.sock may ask penstockd: the one of other users gives
 * no order and learns no source, whatever it says; and nothing out of range reaches the daemon. */
#include "cmocka_test.h"

#include <errno.h>
#include <event2/buffer.h>
#include <string.h>

#include "base/array.h"
#include "base/text.h"
#include "publish/control_wire.h"

static struct status status;
static char done[256]; /* what the daemon was asked for */
static int result; /* of the next order */

static const struct status *get_status(void *context)
{
	return &status;
}

static int set_mode(void *context, enum plan_mode mode, char *why)
{
	snprintf(done, sizeof(done), "mode %d", mode);
	return result;
}

static int drain(void *context, uint64_t for_us, const char *reason, char *why)
{
	snprintf(done, sizeof(done), "drain %llu %s", (unsigned long long)for_us,
		 reason ? reason : "-");
	strcpy(why, result ? "it is not the time" : "");
	return result;
}

static int resume(void *context, char *why)
{
	strcpy(done, "resume");
	return result;
}

static int reload(void *context, char *why)
{
	strcpy(done, "reload");
	return result;
}

static void explain(void *context, const struct in6_addr *address, bool privileged,
		    struct text *text)
{
	text_append(text, "%s %d", address ? "address" : "host", privileged);
}

static size_t history(void *context, uint64_t since_s, uint64_t until_s, uint32_t step_s,
		      struct history_record *ret, size_t most)
{
	snprintf(done, sizeof(done), "history %llu", (unsigned long long)(until_s - since_s));
	return 0;
}

static unsigned sources(void *context, enum source_sort sort, struct source_snapshot *list,
			unsigned most)
{
	snprintf(done, sizeof(done), "sources %d %u", sort, most);
	return 0;
}

static const struct control_ops ops = { .status = get_status,
					.set_mode = set_mode,
					.drain = drain,
					.resume = resume,
					.reload = reload,
					.explain = explain,
					.history = history,
					.sources = sources };
static struct control_desk desk = { .ops = &ops };
static char said[65536];
static int answered;

/* What it costs; `said` and `answered` are the answer. */
static double ask(bool privileged, const struct control_question *q)
{
	const struct answers_kind *kind =
		privileged ? &control_answers_admin : &control_answers_users;
	struct evbuffer *text = evbuffer_new();
	double cost;
	int n;

	desk.privileged = privileged;
	done[0] = 0;
	answered = 1;
	cost = kind->answer(&desk, q, &answered, text);
	n = evbuffer_remove(text, said, sizeof(said) - 1);
	said[n > 0 ? n : 0] = 0;
	evbuffer_free(text);
	return cost;
}

static const struct control_question orders[] = {
	{ .head.what = CONTROL_SOURCES, .sources = { SOURCE_BY_AGE, 10 } },
	{ .head.what = CONTROL_DRAIN, .drain = { 60, "disks" } },
	{ .head.what = CONTROL_RESUME },
	{ .head.what = CONTROL_MODE, .mode = PLAN_OBSERVE },
	{ .head.what = CONTROL_RELOAD },
};

static void the_process_of_other_users_gives_no_order(void **state)
{
	static const char *const expected[] = { "sources 1 10", "drain 60000000 disks", "resume",
						"mode 1", "reload" };

	for (unsigned i = 0; i < ARRAY_SIZE(orders); i++) {
		assert_true(ask(false, &orders[i]) < 0);
		assert_string_equal(done, "");
		assert_string_equal(said, "");
		assert_true(ask(true, &orders[i]) >= 0);
		assert_string_equal(done, expected[i]);
		assert_int_equal(answered, 0);
	}
	for (uint32_t what = CONTROL__COUNT; what < CONTROL__COUNT + 100; what++)
		assert_true(ask(true, &(struct control_question){ .head.what = what }) < 0);
}

static void everybody_may_look(void **state)
{
	struct control_question q = { .head.what = CONTROL_EXPLAIN, .explain.known = 1 };

	assert_true(ask(false, &q) >= 0);
	assert_string_equal(said, "{\"text\":\"address 0\"}");
	q.explain.known = 0;
	assert_true(ask(true, &q) >= 0);
	assert_string_equal(said, "{\"text\":\"host 1\"}");
	q.explain.known = 2;
	assert_true(ask(true, &q) < 0);
	q = (struct control_question){ .head.what = CONTROL_HISTORY, .history = { 100, 160, 10 } };
	assert_true(ask(false, &q) >= 0);
	assert_string_equal(done, "history 60");
	assert_true(ask(false, &(struct control_question){ .head.what = CONTROL_CHANGE }) >= 0);
	assert_non_null(strstr(said, "{\"change\":"));
}

static void what_is_out_of_range_is_never_asked(void **state)
{
	const struct control_question wrong[] = {
		{ .head.what = CONTROL_HISTORY, .history = { 160, 160, 10 } },
		{ .head.what = CONTROL_HISTORY, .history = { 100, 160, 0 } },
		{ .head.what = CONTROL_HISTORY, .history = { 100, 160, CONTROL_STEP_MAX_S + 1 } },
		{ .head.what = CONTROL_SOURCES, .sources = { SOURCE_BY_ATTEMPTS + 1, 10 } },
		{ .head.what = CONTROL_SOURCES, .sources = { SOURCE_BY_RATE, 0 } },
		{ .head.what = CONTROL_SOURCES,
		  .sources = { SOURCE_BY_RATE, CONTROL_SOURCES_MAX + 1 } },
		{ .head.what = CONTROL_DRAIN, .drain.for_s = CONTROL_DRAIN_MAX_S + 1 },
		{ .head.what = CONTROL_MODE, .mode = PLAN_OBSERVE + 1 },
	};
	struct control_question endless = { .head.what = CONTROL_DRAIN };
	struct control_question future = { .head.what = CONTROL_HISTORY,
					   .history = { 1, UINT64_MAX, 10 } };

	for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
		assert_true(ask(true, &wrong[i]) < 0);
		assert_string_equal(done, "");
	}
	memset(endless.drain.reason, 'x', sizeof(endless.drain.reason));
	assert_true(ask(true, &endless) < 0);
	/* A history ends now at the latest. */
	assert_true(ask(true, &future) >= 0);
	assert_true(strtoull(done + strlen("history "), NULL, 10) < 1ull << 33);
}

static void a_refusal_says_why(void **state)
{
	struct control_question q = { .head.what = CONTROL_DRAIN };

	result = -EBUSY;
	assert_true(ask(true, &q) >= 0);
	assert_int_equal(answered, -EBUSY);
	assert_string_equal(said, "it is not the time");
	result = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_process_of_other_users_gives_no_order),
		cmocka_unit_test(everybody_may_look),
		cmocka_unit_test(what_is_out_of_range_is_never_asked),
		cmocka_unit_test(a_refusal_says_why),
	};

	return cmocka_run_group_tests_name("control_answers", tests, NULL, NULL);
}
