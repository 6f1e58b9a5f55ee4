/* What explain says while a part of the connections is deferred: the share, the reasons, and what
 * the deferred are told, also at an instant at which there is a place. */
#include "cmocka_test.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "base/address.h"
#include "publish/explain.h"
#include "publish/lately.h"

#define SECOND UINT64_C(1000000)

static struct status status;
static struct lately lately;
static const uint64_t ids[PLAN_SERVICES] = { 1, 2, 3 };
static char buf[16384];

static int setup(void **state)
{
	struct plan_service *p = &status.plan.service[0];

	memset(&status, 0, sizeof(status));
	memset(&lately, 0, sizeof(lately));
	status.now_us = SECOND;
	status.config.services = 1;
	snprintf(status.config.service[0].name, sizeof(status.config.service[0].name), "mx");
	status.config.service[0].reply_code = 451;
	status.plan.magic = PLAN_MAGIC;
	status.plan.version = PLAN_VERSION;
	status.plan.services = 1;
	status.plan.heartbeat_us = SECOND;
	p->window = 20;
	p->ungreeted_max = PLAN_UNLIMITED;
	p->rate_milli = 700;
	p->source_max = p->source_share = PLAN_UNLIMITED;
	p->reason = REASON_CPU;
	status.view.window[0].law = LAW_CAPACITY;
	lately_turn(&lately, ids, status.total, SECOND);
	return 0;
}

static void defer(unsigned offered, unsigned cpu, unsigned source)
{
	struct counts_service *c = &status.total[0];

	c->offered += offered;
	c->deferred += cpu + source;
	c->admitted += offered - cpu - source;
	c->deferred_by[REASON_CPU] += cpu;
	c->deferred_by[REASON_SOURCE] += source;
	status.view.window[0].refusing = cpu + source > 0;
	status.view.deferred_ratio[0] = offered ? (double)(cpu + source) / offered : 0;
	lately_tell(&lately, ids, status.total, status.lately);
}

static const char *explain(const struct source_snapshot *snapshot)
{
	struct text out = TEXT_OF(buf);
	struct in6_addr address;

	address_parse("203.0.113.9", &address);
	explain_status(&status, snapshot ? &address : NULL, snapshot, &out);
	return strstr(buf, "5. A new connection now");
}

static void assert_says(const char *text, const char *words)
{
	if (!strstr(text, words))
		print_error("\"%s\" is not in:\n%s\n", words, text);
	assert_non_null(strstr(text, words));
}

/* Places are free at this instant, and .7 of 63 a second are admitted. */
static void an_exhausted_rate_is_what_stands_against_it(void **state)
{
	const char *text;

	defer(630, 560, 63);
	text = explain(NULL);
	assert_says(
		text,
		"99 % are deferred (a mean over two seconds, as in status); in the last ten seconds: "
		"cpu 90 %, source 10 %");
	assert_says(text, "one of them: deferred, the admission rate is used up at this moment");
	assert_says(text, "reason cpu");
	assert_says(text, "6. On the wire: 451");
	assert_null(strstr(text, "no limit was met"));
}

static void the_class_is_that_of_most_who_are_deferred(void **state)
{
	const char *text;

	status.plan.service[0].reserve_256 = 64;
	defer(100, 10, 30);
	text = explain(NULL);
	assert_says(
		text,
		"40 % are deferred (a mean over two seconds, as in status); in the last ten seconds: "
		"cpu 25 %, source 75 %");
	assert_says(text, "one of them: deferred, places are short");
	assert_says(text, "reason source");
}

/* The window is full at this instant, so the CPU would defer any source; nearly all that were
 * deferred sent too much. */
static void a_full_window_hides_no_reason(void **state)
{
	status.plan.service[0].reserve_256 = 64;
	status.load.service[0].known = LOAD_IN_FLIGHT;
	status.load.service[0].in_flight = 20;
	defer(100, 1, 60);
	assert_says(explain(NULL), "reason source");
	defer(100, 70, 0);
	assert_says(explain(NULL), "reason cpu");
}

/* Other sources are deferred; this one comes before them. */
static void who_comes_first_is_told_so(void **state)
{
	struct source_snapshot first = { .view.source = { .rank = PLAN_RANK_MAX } }, last = { 0 };
	struct plan_service *p = &status.plan.service[0];

	p->reserve_256 = 64;
	p->burst_milli = 10000;
	for (int i = 0; i < PLAN_BANDS; i++)
		p->cutoff[i] = 1u << 31;
	defer(100, 0, 40);
	assert_says(explain(&first), "this one: admitted");
	assert_says(explain(&last), "this one: deferred, places are short");
	assert_says(buf, "reason source");
	defer(100, 90, 0);
	assert_says(explain(&last), "this one: deferred, its rank puts it last, and no place is "
				    "left for any source; reason cpu");
}

/* Its rank alone admits it in two hours, and the waiting room at once: both are said together. */
static void a_rank_that_is_too_low_may_still_wait_for_a_place(void **state)
{
	struct source_snapshot last = { .admitted_in_s = 116 * 60 };
	struct plan_service *p = &status.plan.service[0];
	const char *text;

	p->reserve_256 = 64;
	for (int i = 0; i < PLAN_BANDS; i++)
		p->cutoff[i] = 1u << 31;
	p->pass_milli = 40000;
	explain(&last);
	assert_says(buf, "at the current load it would be admitted if it retries in 116 min");
	p->hold_us = 5 * SECOND;
	status.load.service[0].known = LOAD_HELD | LOAD_IN_FLIGHT;
	status.load.service[0].in_flight = 20;
	text = explain(&last);
	assert_says(buf, "and without waiting for a place (see 5) it would be admitted if it "
			 "retries in 116 min");
	assert_says(text, "0 wait already, so for the next place that comes free. ");
	status.load.service[0].held = 80;
	assert_says(explain(&last), "80 wait already, so for about 2 s. After 5 s without a "
				    "place it is answered 4xx");
}

/* .21 s are over the .2 s that are allowed while an overload lasts. */
static void what_is_not_let_wait_is_told_why(void **state)
{
	struct source_snapshot last = { 0 };
	struct plan_service *p = &status.plan.service[0];

	p->reserve_256 = 64;
	for (int i = 0; i < PLAN_BANDS; i++)
		p->cutoff[i] = 1u << 31;
	p->pass_milli = 120000;
	p->hold_us = SECOND / 5;
	status.load.service[0].known = LOAD_HELD | LOAD_IN_FLIGHT;
	status.load.service[0].in_flight = 20;
	status.load.service[0].held = 25;
	assert_says(
		explain(&last),
		"deferred, its rank puts it last, and no place is left for any source; not let "
		"wait: it would take 208 ms, and less than 200 ms is allowed now; reason cpu: ");
	status.load.service[0].held = 23;
	assert_says(explain(&last), "waits in front of the server, because its rank puts it last, "
				    "and no place is left for any source; 23 wait already");
	p->pass_milli = 0;
	assert_says(explain(&last), "; not let wait: no place comes free; reason cpu: ");
	p->hold_us = 0;
	assert_says(explain(&last), "; not let wait: no connection may begin to wait now; reason");
	/* A front that lets none wait. */
	status.load.service[0].known = LOAD_IN_FLIGHT;
	assert_null(strstr(explain(&last), "not let wait"));
	/* A place is left, but not for it. */
	status.load.service[0].in_flight = 16;
	assert_says(explain(&last), "deferred, places are short, and its rank, rate or number of "
				    "sessions puts it last; reason source");
}

/* No place is kept for other ranks, and yet all are refused. */
static void a_rank_is_not_high_enough_where_all_are_refused(void **state)
{
	struct source_snapshot one = { 0 };

	explain(&one);
	assert_says(buf, "places are not short: every rank is high enough now");
	defer(100, 100, 0);
	explain(&one);
	assert_says(buf, "no rank comes first now: all are treated alike");
	assert_null(strstr(buf, "places are not short"));
}

/* Status shows the mean until it has faded; explain must not say less. */
static void a_share_that_fades_is_in_both(void **state)
{
	status.view.deferred_ratio[0] = 0.99;
	assert_says(explain(NULL), "99 % are deferred (a mean over two seconds, as in status)");
	assert_says(buf, "one more, now: admitted");
}

/* What the front itself refuses for is not in the plan. */
static void a_reason_of_the_front_is_told(void **state)
{
	status.total[0].offered += 10;
	status.total[0].deferred += 5;
	status.total[0].deferred_by[REASON_LIMIT] += 5;
	status.plan.service[0].window = status.plan.service[0].rate_milli = PLAN_UNLIMITED;
	defer(0, 0, 0);
	status.view.window[0].refusing = true;
	assert_says(explain(NULL), "one of them: deferred; reason limit");
}

/* They are in both counts. */
static void who_was_refused_late_was_admitted_first(void **state)
{
	status.total[0].deferred_by[REASON_LATE] += 3;
	defer(10, 2, 0);
	assert_says(explain(NULL), "2 deferred (cpu 2, late 3 of the admitted)");
}

static void nothing_is_said_of_shares_when_all_are_admitted(void **state)
{
	defer(100, 0, 0);
	assert_says(explain(NULL), "now: admitted");
	/* In observe mode clients are told nothing. */
	status.view.mode = PLAN_OBSERVE;
	status.plan.mode = PLAN_OBSERVE;
	defer(100, 50, 0);
	status.view.deferred_ratio[0] = 0;
	status.plan.service[0].window = 0;
	status.total[0].would_defer = 35;
	assert_null(strstr(explain(NULL), "are deferred"));
	assert_says(buf, "admitted, but enforcing would defer it");
	assert_says(buf, "6. On the wire, if the mode were enforce: 451");
	assert_says(buf, ", 35 would have been deferred if enforcing");
	/* Before a front with a waiting room: they get in, perhaps. */
	status.total[0].would_hold = 30;
	status.load.service[0].known |= LOAD_HELD;
	status.plan.service[0].hold_us = 5 * SECOND;
	status.plan.service[0].pass_milli = 10000;
	assert_says(explain(NULL), "admitted, but enforcing would let it wait in front of the");
	assert_says(buf, ", 5 would have been deferred if enforcing, and 30 would have waited");
	assert_null(strstr(buf, "enforcing would defer it"));
}

static void lately_is_five_to_ten_seconds(void **state)
{
	defer(100, 50, 0);
	assert_false(lately_due(&lately, SECOND + LATELY_TURN_US - 1));
	assert_true(lately_due(&lately, SECOND + LATELY_TURN_US));
	lately_turn(&lately, ids, status.total, SECOND + LATELY_TURN_US);
	defer(100, 0, 0);
	assert_int_equal(status.lately[0].offered, 200);
	assert_int_equal(status.lately[0].deferred, 50);
	lately_turn(&lately, ids, status.total, SECOND + 2 * LATELY_TURN_US);
	defer(0, 0, 0);
	assert_int_equal(status.lately[0].offered, 100);
	assert_int_equal(status.lately[0].deferred, 0);
}

/* What proxies counted before penstockd began is not of now, and a front that is gone takes its
 * counters along. */
static void old_counters_and_lost_ones_are_nothing(void **state)
{
	struct lately fresh = { 0 };
	struct lately_service told[PLAN_SERVICES];

	defer(1000, 1000, 0);
	lately_tell(&fresh, ids, status.total, told);
	assert_int_equal(told[0].offered, 0);
	lately_turn(&fresh, ids, status.total, SECOND);
	lately_tell(&fresh, ids, status.total, told);
	assert_int_equal(told[0].deferred, 0);
	memset(status.total, 0, sizeof(status.total));
	lately_tell(&fresh, ids, status.total, told);
	assert_int_equal(told[0].offered, 0);
	assert_int_equal(told[0].deferred, 0);
}

/* A reload takes the second of three services out: the third one moves up. */
static void a_service_is_known_by_name_lately(void **state)
{
	const uint64_t without[PLAN_SERVICES] = { 1, 3 }, more[PLAN_SERVICES] = { 1, 3, 4 };

	status.total[1].offered = 10;
	status.total[2].offered = 5000;
	lately_turn(&lately, ids, status.total, 2 * SECOND);
	lately_turn(&lately, ids, status.total, 3 * SECOND);
	status.total[1].offered = 5007;
	memset(&status.total[2], 0, sizeof(status.total[2]));
	lately_tell(&lately, without, status.total, status.lately);
	assert_int_equal(status.lately[1].offered, 7);
	assert_int_equal(status.lately[2].offered, 0);
	lately_turn(&lately, without, status.total, 4 * SECOND);
	lately_tell(&lately, without, status.total, status.lately);
	assert_int_equal(status.lately[1].offered, 7);
	/* What proxies counted for a service before it was configured here is not of now. */
	status.total[2].offered = 900;
	lately_tell(&lately, more, status.total, status.lately);
	assert_int_equal(status.lately[2].offered, 0);
	lately_turn(&lately, more, status.total, 5 * SECOND);
	status.total[2].offered = 904;
	lately_tell(&lately, more, status.total, status.lately);
	assert_int_equal(status.lately[2].offered, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(an_exhausted_rate_is_what_stands_against_it, setup),
		cmocka_unit_test_setup(the_class_is_that_of_most_who_are_deferred, setup),
		cmocka_unit_test_setup(a_full_window_hides_no_reason, setup),
		cmocka_unit_test_setup(who_comes_first_is_told_so, setup),
		cmocka_unit_test_setup(a_rank_that_is_too_low_may_still_wait_for_a_place, setup),
		cmocka_unit_test_setup(what_is_not_let_wait_is_told_why, setup),
		cmocka_unit_test_setup(a_rank_is_not_high_enough_where_all_are_refused, setup),
		cmocka_unit_test_setup(a_share_that_fades_is_in_both, setup),
		cmocka_unit_test_setup(a_reason_of_the_front_is_told, setup),
		cmocka_unit_test_setup(who_was_refused_late_was_admitted_first, setup),
		cmocka_unit_test_setup(nothing_is_said_of_shares_when_all_are_admitted, setup),
		cmocka_unit_test_setup(lately_is_five_to_ten_seconds, setup),
		cmocka_unit_test_setup(a_service_is_known_by_name_lately, setup),
		cmocka_unit_test_setup(old_counters_and_lost_ones_are_nothing, setup),
	};

	return cmocka_run_group_tests_name("explain", tests, NULL, NULL);
}
