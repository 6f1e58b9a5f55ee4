/* Compares what people read with what clients were told, every second: through an overload, a
 * drain, load of a neighbour and observe mode, and the minute after each. In virtual time; the
 * server does 30 messages a second. */
#include "cmocka_test.h"

#include <event2/buffer.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "publish/explain.h"
#include "publish/headline.h"
#include "publish/history_take.h"
#include "publish/json.h"
#include "publish/metrics.h"
#include "publish/page.h"
#include "publish/public_page.h"
#include "publish/words.h"
#include "unit/truth_world.h"

/* At no moment do headline, level and shares say what cannot be true together. */
static void nothing_contradicts(void)
{
	enum level_number level = w.engine.view.level.number;
	struct headline h;

	headline_tell(&w.status, &h);
	assert_int_equal(h.kind == HEADLINE_DEFERRING, level >= LEVEL_SHEDDING);
	if (h.kind == HEADLINE_NORMAL)
		assert_int_equal(level, LEVEL_NORMAL);
	if (h.kind >= HEADLINE_NEIGHBOUR)
		assert_true(h.deferred_ratio <= 0.05);
	if (h.deferred_ratio > 0.001) {
		assert_null(strstr(h.sentence, "all mail is admitted"));
		assert_null(strstr(h.sentence, "No new connection"));
	}
}

static void tick(double offered_per_s)
{
	const uint64_t ids[PLAN_SERVICES] = { 1 };
	struct sample s;
	bool pressed = w.busy > 3 && w.slow_s == 0;
	double full = pressed ? 1 : w.slow_s > 0 ? 0.3 : offered_per_s / SERVED_PER_S;

	w.now_us += SECOND / TICKS;
	for (w.owed += offered_per_s / TICKS; w.owed >= 1; w.owed--)
		ask();
	serve();
	sample_clear(&s, w.now_us);
	put(&s, SIGNAL_CPU_STALL_RATIO, fmax(w.stall, pressed ? 0.97 : 0.05));
	put(&s, SIGNAL_IO_STALL_RATIO, 0);
	put(&s, SIGNAL_MEM_STALL_RATIO, 0);
	put(&s, SIGNAL_MTA_CPU_CORES, fmin(1, full));
	put(&s, SIGNAL_CPU_BUSY_RATIO, fmax(w.stall, fmin(1, full)));
	engine_step(&w.engine, &s, &w.load, w.now_us, &w.plan);
	w.status.view = w.engine.view;
	w.status.sample = s;
	w.status.load = w.load;
	w.status.plan = w.plan;
	w.status.now_us = w.status.realtime_us = w.now_us;
	w.status.total[0] = w.total;
	if (lately_due(&w.lately, w.now_us))
		lately_turn(&w.lately, ids, w.status.total, w.now_us);
	lately_tell(&w.lately, ids, w.status.total, w.status.lately);
	nothing_contradicts();
}

static char *text_of(struct evbuffer *buffer)
{
	static char text[262144];
	ssize_t n = evbuffer_remove(buffer, text, sizeof(text) - 1);

	assert_in_range(n, 1, sizeof(text) - 2);
	text[n] = 0;
	return text;
}

static double metric(const char *text, const char *name)
{
	char line[64];
	const char *at;

	snprintf(line, sizeof(line), "\n%s ", name);
	at = strstr(text, line);
	assert_non_null(at);
	return strtod(at + strlen(line), NULL);
}

/* Page, page for customers, metrics and JSON say what the headline says; explain tells of refusals
 * while there are some. (check_penstock judges that JSON, status prints it.) */
static void outlets_agree(const struct headline *h, double told)
{
	static char explained[32768];
	struct evbuffer *buffer = evbuffer_new();
	struct text explain = TEXT_OF(explained);
	struct process own = { .resident_bytes = 1 };
	json_t *json = json_status(&w.status), *headline = json_object_get(json, "headline");
	const struct engine_view *v = &w.engine.view;
	char *text, shown[64] = "5. A new connection now: ";
	struct text share = { .data = shown, .size = sizeof(shown), .length = strlen(shown) };

	page_render(&w.status, NULL, buffer);
	text = text_of(buffer);
	assert_non_null(strstr(text, h->sentence));
	assert_non_null(strstr(text, h->advice));
	public_page_render(&w.status, buffer);
	assert_non_null(strstr(text_of(buffer), h->kind <= HEADLINE_MAINTENANCE ? "Maintenance"
						: h->kind == HEADLINE_DEFERRING ? "Delays"
										: "Operational"));
	metrics_render(&w.status, &own, w.now_us, false, buffer);
	text = text_of(buffer);
	assert_true(fabs(metric(text, "penstock_admit_ratio") - v->admit_ratio) < 0.001);
	assert_true(metric(text, "penstock_level") == v->level.number);
	if (v->demand_ratio > 0)
		assert_true(fabs(metric(text, "penstock_demand_ratio") / v->demand_ratio - 1) <
			    0.01);
	assert_string_equal(json_string_value(json_object_get(headline, "sentence")), h->sentence);
	assert_true(json_integer_value(json_object_get(json, "level")) == (int)v->level.number);
	explained[0] = 0;
	explain_status(&w.status, NULL, NULL, &explain);
	if (told > 0.1)
		assert_non_null(strstr(explained, "451"));
	if (told == 0)
		assert_null(strstr(explained, "are deferred (a mean over"));
	/* One share of one span, wherever it stands. */
	words_share(&share, 1 - v->admit_ratio);
	if (strstr(explained, "are deferred (a mean over"))
		assert_non_null(strstr(explained, shown));
	assert_true(fabs(json_number_value(json_object_get(
				 json_object_get(json_object_get(json, "services"), "mx"),
				 "deferred_ratio")) -
			 (1 - v->admit_ratio)) < 1e-6);
	json_decref(json);
	evbuffer_free(buffer);
}

/* Nothing that is said may be untrue for longer than ten seconds. */
static void hold_against_clients(unsigned second)
{
	enum level_number level = w.engine.view.level.number;
	double told = told_lately(LATELY);
	struct headline h;

	headline_tell(&w.status, &h);
	if (getenv("VERBOSE"))
		printf("%4u told %.2f says %.2f level %s, %s: %s\n", second, told_lately(3),
		       h.deferred_ratio, level_name(level), headline_name(h.kind), h.sentence);
	if (second < LATELY)
		return;
	outlets_agree(&h, told);
	assert_true(fabs(h.deferred_ratio - told_lately(3)) < 0.25);
	if (told == 0) {
		assert_int_not_equal(h.kind, HEADLINE_DEFERRING);
		assert_in_range(level, LEVEL_NORMAL, LEVEL_ELEVATED);
		assert_null(strstr(h.sentence, "% of the new"));
	} else if (told > 0.1) {
		assert_in_range(h.kind, HEADLINE_DRAINING, HEADLINE_DEFERRING);
		assert_null(strstr(h.sentence, "all mail is admitted"));
		assert_int_not_equal(h.reason, REASON_NONE);
	}
	if (h.kind == HEADLINE_DEFERRING) {
		assert_true(h.pressure > 1);
		assert_true(h.advice[0]);
	}
}

static void run(double offered_per_s, unsigned seconds)
{
	for (unsigned second = 0; second < seconds; second++) {
		enum level_number before = w.engine.view.level.number;

		memmove(w.told + 1, w.told, sizeof(w.told) - sizeof(w.told[0]));
		w.told[0] = (struct told){ 0, 0 };
		for (int i = 0; i < TICKS; i++)
			tick(offered_per_s);
		w.changes += w.engine.view.level.number != before;
		hold_against_clients(second);
	}
}

static enum headline_kind kind(void)
{
	return headline_kind(&w.engine.view);
}

static void an_overload_and_the_minute_after_it(void **state)
{
	run(10, 30);
	assert_int_equal(kind(), HEADLINE_NORMAL);
	run(120, 120);
	assert_int_equal(kind(), HEADLINE_DEFERRING);
	assert_true(told_lately(LATELY) > 0.6);
	assert_in_range(w.engine.view.level.number, LEVEL_SEVERE, LEVEL_CRITICAL);
	run(10, 60);
	assert_int_equal(kind(), HEADLINE_NORMAL);
}

/* A neighbour uses the CPUs. The headline says what clients are told, whatever that does to
 * mail. */
static void a_neighbour_with_and_without_an_overload(void **state)
{
	run(10, 30);
	w.stall = 0.97;
	run(10, 60);
	run(120, 60);
	assert_int_equal(kind(), HEADLINE_DEFERRING);
	run(10, 60);
	w.stall = 0;
	run(10, 60);
	assert_int_equal(kind(), HEADLINE_NORMAL);
}

static void a_drain_is_no_quiet_day(void **state)
{
	struct headline h;

	run(10, 30);
	engine_order(&w.engine, STATE_DRAINING, 0, "disk swap");
	run(10, 30);
	headline_tell(&w.status, &h);
	assert_int_equal(h.kind, HEADLINE_DRAINING);
	assert_int_equal(h.reason, REASON_DRAIN);
	assert_true(h.deferred_ratio > 0.99);
	assert_true(w.engine.view.admit_ratio < 0.01);
	/* What the operator ordered is no overload. */
	assert_int_equal(w.engine.view.level.number, LEVEL_NORMAL);
	engine_order(&w.engine, STATE_SERVING, 0, NULL);
	/* What clients were told in the drain is over with it, at once. */
	for (int i = 0; i < 60 * TICKS; i++) {
		tick(10);
		assert_true(w.engine.view.admit_ratio == 1);
		assert_int_equal(kind(), HEADLINE_NORMAL);
	}
}

/* An overload, then a drain: the level is the load's no more. */
static void an_order_takes_the_level_away(void **state)
{
	run(10, 30);
	run(120, 60);
	assert_in_range(w.engine.view.level.number, LEVEL_SEVERE, LEVEL_CRITICAL);
	engine_order(&w.engine, STATE_DRAINING, 0, NULL);
	tick(120);
	assert_int_equal(kind(), HEADLINE_DRAINING);
	assert_in_range(w.engine.view.level.number, LEVEL_NORMAL, LEVEL_ELEVATED);
	run(120, 20);
	engine_order(&w.engine, STATE_SERVING, 0, NULL);
	engine_set_mode(&w.engine, PLAN_OBSERVE);
	tick(120);
	assert_int_equal(kind(), HEADLINE_OBSERVING);
	assert_in_range(w.engine.view.level.number, LEVEL_NORMAL, LEVEL_ELEVATED);
}

/* No client is refused, so there is no alarm; the headline also says what enforcing would do. */
static void observe_mode_never_alarms(void **state)
{
	struct headline h;

	engine_set_mode(&w.engine, PLAN_OBSERVE);
	run(10, 30);
	run(60, 60);
	headline_tell(&w.status, &h);
	assert_int_equal(h.kind, HEADLINE_OBSERVING);
	assert_true(w.engine.view.would_defer_ratio > 0.1);
	assert_true(w.engine.view.admit_ratio == 1);
	assert_in_range(w.engine.view.level.number, LEVEL_NORMAL, LEVEL_ELEVATED);
	assert_non_null(strstr(h.sentence, "enforcing would defer"));
	/* A drain is obeyed in observe mode, too. */
	engine_order(&w.engine, STATE_DRAINING, 0, NULL);
	run(10, 20);
	assert_int_equal(kind(), HEADLINE_DRAINING);
	assert_true(w.engine.view.admit_ratio < 0.01);
}

static void a_steady_overload_changes_nothing_that_is_said(void **state)
{
	run(45, 60);
	w.changes = 0;
	run(45, 600);
	assert_in_range(w.changes, 0, 10);
}

/* A limit of the operator holds the window far below what the CPU of a message predicts. */
static void demand_is_measured_by_what_is_carried(void **state)
{
	const struct engine_view *v = &w.engine.view;
	struct headline h;

	w.config.window.max = 4;
	engine_configure(&w.engine, &w.config);
	w.slow_s = 0.4; /* so a window of 4 carries 10 a second */
	run(40, 90);
	assert_true(v->window[0].completed_per_s < 14);
	assert_true(v->demand_ratio > 2.5 && v->demand_ratio < 7);
	headline_tell(&w.status, &h);
	assert_string_equal(h.driver, "demand");
	assert_non_null(strstr(h.sentence, "times as much mail is offered as can be carried"));
	run(5, 60);
	assert_true(v->demand_ratio < 1);
}

static uint32_t taken(struct history_take *take, uint32_t *ret_all)
{
	struct history_record record;

	w.status.realtime_us += SECOND;
	history_take(take, &w.status, &record);
	*ret_all = record.offered;
	return record.service[0].offered;
}

/* A reload takes the first of two services out: the counters of the other one are not of the second
 * in which it took over the number. */
static void the_history_knows_services_by_name(void **state)
{
	struct counts_service *total = w.status.total;
	static struct history_take take;
	uint32_t all;

	w.status.config.services = 2;
	snprintf(w.status.config.service[1].name, sizeof(w.status.config.service[1].name), "b");
	total[0].offered = 10;
	total[1].offered = 5000;
	assert_int_equal(taken(&take, &all), 0);
	total[0].offered += 3;
	total[1].offered += 4;
	assert_int_equal(taken(&take, &all), 3);
	assert_int_equal(all, 7);
	w.status.config.services = 1;
	w.status.config.service[0] = w.status.config.service[1];
	total[0] = total[1];
	memset(&total[1], 0, sizeof(total[1]));
	assert_int_equal(taken(&take, &all), 0);
	assert_int_equal(all, 0);
	total[0].offered += 5;
	assert_int_equal(taken(&take, &all), 5);
	assert_int_equal(all, 5);
	/* It comes back, with what proxies have counted for it meanwhile. */
	w.status.config.services = 2;
	snprintf(w.status.config.service[1].name, sizeof(w.status.config.service[1].name), "mx");
	total[1].offered = 900;
	assert_int_equal(taken(&take, &all), 0);
	assert_int_equal(all, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(an_overload_and_the_minute_after_it, setup),
		cmocka_unit_test_setup(a_neighbour_with_and_without_an_overload, setup),
		cmocka_unit_test_setup(a_drain_is_no_quiet_day, setup),
		cmocka_unit_test_setup(an_order_takes_the_level_away, setup),
		cmocka_unit_test_setup(observe_mode_never_alarms, setup),
		cmocka_unit_test_setup(a_steady_overload_changes_nothing_that_is_said, setup),
		cmocka_unit_test_setup(demand_is_measured_by_what_is_carried, setup),
		cmocka_unit_test_setup(the_history_knows_services_by_name, setup),
	};

	return cmocka_run_group_tests_name("truth", tests, NULL, NULL);
}
