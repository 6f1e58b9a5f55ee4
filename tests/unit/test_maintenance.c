/* Planned maintenance over its clocks: begins, ends, announces, and what operators say in
 * between. */
#include "base/clock.h"
#include "cmocka_test.h"
#include "host/maintenance.h"
#include "host/orders.h"

static struct engine engine;
static struct orders orders;
static struct maintenance m;
static struct config config;
static uint64_t mono_s = 5000; /* CLOCK_MONOTONIC at noon of the day */

#define NOON INT64_C(1795003200) /* 2026-11-18 12:00:00 UTC, a Wednesday */
#define HOUR 3600

static void plan(const char *first, const char *second)
{
	const char *words[] = { first, second };
	struct engine_config none = { .epoch_us = 60 * US_PER_S };
	char why[160];

	config_defaults(&config);
	config.maintenance.windows = 0;
	for (int i = 0; i < 2 && words[i]; i++) {
		struct config_window *w = &config.maintenance.window[i];

		snprintf(w->words, sizeof(w->words), "%s", words[i]);
		assert_int_equal(calendar_parse(words[i], &w->when, why), 0);
		config.maintenance.windows++;
	}
	engine_init(&engine, &none, 1);
	memset(&orders, 0, sizeof(orders));
	memset(&m, 0, sizeof(m));
	orders.engine = &engine;
	m.orders = &orders;
	maintenance_configure(&m, &config);
}

/* A tick at so many seconds after noon, by a wall clock that is `ahead_s` of the other. */
static enum engine_state tick(int64_t after_s, int64_t ahead_s)
{
	uint64_t now_us = (uint64_t)((int64_t)mono_s + after_s) * US_PER_S;
	struct sample sample = { .now_us = now_us };
	struct load load = { 0 };
	struct plan plan;
	uint64_t wall_us = (uint64_t)(NOON + after_s + ahead_s) * US_PER_S + 137;

	maintenance_tick(&m, now_us, wall_us);
	engine_step(&engine, &sample, &load, wall_us, &plan);
	return engine.view.state == STATE_BLIND ? STATE_SERVING : engine.view.state;
}

static void it_begins_and_ends_by_the_clock(void **state)
{
	plan("Wed 13:00..14:00 UTC \"disks\"", NULL);
	assert_int_equal(tick(0, 0), STATE_SERVING);
	assert_int_equal(m.view.next.begin_s, NOON + HOUR);
	assert_int_equal(tick(HOUR - 1, 0), STATE_SERVING);
	assert_int_equal(tick(HOUR, 0), STATE_MAINTENANCE);
	assert_string_equal(engine.view.order_reason, "disks");
	assert_in_range(engine.view.order_until_us / US_PER_S, NOON + 2 * HOUR - 1,
			NOON + 2 * HOUR);
	assert_int_equal(tick(2 * HOUR - 1, 0), STATE_MAINTENANCE);
	assert_int_equal(tick(2 * HOUR, 0), STATE_SERVING);
	assert_int_equal(tick(2 * HOUR + 1, 0), STATE_SERVING);
	assert_int_equal(m.view.next.begin_s, NOON + HOUR + 7 * 24 * HOUR);
}

/* The engine ends it by the monotonic clock: no tick may begin it again for a moment. */
static void it_does_not_flap_at_its_end(void **state)
{
	unsigned changes = 0;
	enum engine_state before = STATE_SERVING;

	plan("*-*-* 12:00:10..12:00:20 UTC", NULL);
	for (int64_t s = 0; s < 40; s++) {
		enum engine_state now = tick(s, 0);

		changes += now != before;
		before = now;
	}
	assert_int_equal(changes, 2);
}

static void a_clock_that_is_set_is_followed(void **state)
{
	plan("*-*-* 13:00..14:00 UTC", NULL);
	assert_int_equal(tick(0, 0), STATE_SERVING);
	assert_int_equal(tick(1, HOUR), STATE_MAINTENANCE); /* set an hour ahead */
	assert_int_equal(tick(2, 0), STATE_SERVING); /* and back */
	assert_int_equal(tick(HOUR, 0), STATE_MAINTENANCE);
	assert_int_equal(tick(HOUR + 1, 1800), STATE_MAINTENANCE); /* it ends sooner now */
	assert_int_equal(tick(HOUR + 1800, 1800), STATE_SERVING);
}

static void an_operator_comes_before_it(void **state)
{
	plan("*-*-* 13:00..14:00 UTC", NULL);
	assert_int_equal(tick(HOUR - 60, 0), STATE_SERVING);
	engine_order(&engine, STATE_DRAINING, (mono_s + HOUR + 60) * US_PER_S, "mine");
	assert_int_equal(tick(HOUR, 0), STATE_DRAINING);
	assert_int_equal(tick(HOUR + 61, 0), STATE_SERVING); /* the drain ends in this step */
	assert_int_equal(tick(HOUR + 62, 0), STATE_MAINTENANCE);
	orders_resume(&orders);
	assert_int_equal(tick(HOUR + 63, 0), STATE_SERVING);
	assert_int_equal(tick(HOUR + 64, 0), STATE_SERVING);
	assert_int_equal(tick(25 * HOUR, 0), STATE_MAINTENANCE); /* the next one is another */
}

static void windows_that_touch_are_one(void **state)
{
	plan("*-*-* 13:00..14:00 UTC \"first\"", "Wed 14:00..15:30 UTC \"second\"");
	assert_int_equal(tick(HOUR, 0), STATE_MAINTENANCE);
	assert_int_equal(m.view.now.end_s, NOON + HOUR * 7 / 2);
	assert_string_equal(m.view.now.text, "first");
	assert_int_equal(m.view.next.begin_s, NOON + 25 * HOUR);
	assert_int_equal(m.view.next.end_s, NOON + 26 * HOUR);
}

static void what_is_taken_out_ends(void **state)
{
	plan("*-*-* 13:00..14:00 UTC", NULL);
	assert_int_equal(tick(HOUR, 0), STATE_MAINTENANCE);
	config.maintenance.windows = 0;
	maintenance_configure(&m, &config);
	assert_int_equal(tick(HOUR + 1, 0), STATE_SERVING);
}

static void it_is_announced_twice(void **state)
{
	plan("Fri 13:00..14:00 UTC", NULL);
	tick(0, 0);
	assert_int_equal(m.announced, 0);
	tick(25 * HOUR, 0);
	assert_int_equal(m.announced, 1);
	tick(48 * HOUR, 0);
	assert_int_equal(m.announced, 2);
	tick(51 * HOUR, 0);
	assert_int_equal(m.announced, 0); /* of the next one */
}

static void a_zone_that_is_not_there_is_said(void **state)
{
	plan("*-*-* 00:00..23:00 Europe/Nowhere", "*-*-* 13:00..14:00 UTC");
	assert_true(strstr(m.view.why, "time zone"));
	assert_int_equal(tick(0, 0), STATE_SERVING);
	assert_int_equal(tick(HOUR, 0), STATE_MAINTENANCE); /* the other one is obeyed */
}

static void an_order_is_read_back(void **state)
{
	struct kept_order order;

	assert_int_equal(kept_order_parse("resumed abc 1795003200000000 \n", &order), 0);
	assert_true(order.resumed);
	assert_true(order.until_us == UINT64_C(1795003200000000));
	assert_int_equal(kept_order_parse("drain abc 17 why not\n", &order), 0);
	assert_false(order.resumed);
	assert_string_equal(order.reason, "why not");
	assert_int_not_equal(kept_order_parse("resumed abc\n", &order), 0);
	assert_int_not_equal(kept_order_parse("", &order), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_begins_and_ends_by_the_clock),
		cmocka_unit_test(it_does_not_flap_at_its_end),
		cmocka_unit_test(a_clock_that_is_set_is_followed),
		cmocka_unit_test(an_operator_comes_before_it),
		cmocka_unit_test(windows_that_touch_are_one),
		cmocka_unit_test(what_is_taken_out_ends),
		cmocka_unit_test(it_is_announced_twice),
		cmocka_unit_test(a_zone_that_is_not_there_is_said),
		cmocka_unit_test(an_order_is_read_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
