#include "cmocka_test.h"

#include <pthread.h>
#include <sched.h>

#include "core/plan.h"
#include "core/smooth.h"

static struct plan fresh(void)
{
	struct plan p = {
		.magic = PLAN_MAGIC, .version = PLAN_VERSION, .heartbeat_us = 1000000, .services = 1
	};

	p.service[0] = (struct plan_service){ .window = 10,
					      .ungreeted_max = 5,
					      .rate_milli = 1000,
					      .burst_milli = 5000,
					      .source_max = PLAN_UNLIMITED,
					      .source_share = PLAN_UNLIMITED,
					      .reply_code = 451,
					      .reason = REASON_CPU };
	return p;
}

static struct plan_request asks(void)
{
	return (struct plan_request){ .now_us = 1000000,
				      .tokens_milli = PLAN_UNLIMITED,
				      .score = PLAN_UNLIMITED };
}

/* Ranks are predictions: a wrong one must not leave the machine idle. A source that comes last gets
 * what is not reserved for the others. */
static void who_comes_last_gets_what_others_leave(void **state)
{
	for (int why = 0; why < 3; why++) {
		struct plan p = fresh(); /* a window of 10 */
		struct plan_request r = asks();

		p.service[0].cutoff[PLAN_BAND_GENERAL] = 5;
		p.service[0].source_share = 4;
		r.score = why == 0 ? 4 : 5;
		r.heavy = why == 1 ? PLAN_HEAVY_SHARE : PLAN_HEAVY_NO;
		r.sessions = why == 2 ? 4 : 3;
		r.in_flight = 9; /* nothing is kept */
		assert_true(plan_decide(&p, &r).admit);
		p.service[0].reserve_256 = 128;
		assert_int_equal(plan_decide(&p, &r).limit, LIMIT_CUTOFF);
		assert_int_equal(plan_decide(&p, &r).reason, REASON_SOURCE);
		r.in_flight = 10; /* no place is left for any source */
		assert_int_equal(plan_decide(&p, &r).limit, LIMIT_CUTOFF);
		assert_int_equal(plan_decide(&p, &r).reason, why == 0 ? REASON_CPU : REASON_SOURCE);
		r.in_flight = 5;
		assert_int_equal(plan_decide(&p, &r).limit, LIMIT_CUTOFF);
		r.in_flight = 4;
		assert_true(plan_decide(&p, &r).admit);
		r.ungreeted = 3; /* of 5 */
		assert_int_equal(plan_decide(&p, &r).limit, LIMIT_CUTOFF);
		r.ungreeted = 2;
		assert_true(plan_decide(&p, &r).admit);
		r.tokens_milli = 3249; /* of 5000 */
		assert_int_equal(plan_decide(&p, &r).limit, LIMIT_CUTOFF);
		r.tokens_milli = 3250;
		assert_true(plan_decide(&p, &r).admit);
		r.tokens_milli = 999; /* the limits of all hold for it, too */
		p.service[0].reserve_256 = 0;
		assert_int_equal(plan_decide(&p, &r).limit, LIMIT_RATE);
	}
}

static void each_limit_binds_at_its_bound(void **state)
{
	struct plan p = fresh();
	struct plan_request r = asks();

	r.in_flight = 9;
	r.ungreeted = 4;
	assert_true(plan_decide(&p, &r).admit);
	r.in_flight = 10;
	assert_false(plan_decide(&p, &r).admit);
	assert_int_equal(plan_decide(&p, &r).limit, LIMIT_WINDOW);
	assert_int_equal(plan_decide(&p, &r).reason, REASON_CPU);
	r.in_flight = 0;
	r.ungreeted = 5;
	assert_int_equal(plan_decide(&p, &r).limit, LIMIT_UNGREETED);
	r.ungreeted = 0;
	r.tokens_milli = 999;
	assert_int_equal(plan_decide(&p, &r).limit, LIMIT_RATE);
	r.tokens_milli = 1000;
	assert_true(plan_decide(&p, &r).admit);
	p.service[0].window = PLAN_UNLIMITED;
	r.in_flight = 4000000000u;
	assert_true(plan_decide(&p, &r).admit);
}

static void what_is_stale_or_foreign_admits(void **state)
{
	struct plan p = fresh();
	struct plan_request r = asks();

	r.in_flight = 100;
	r.now_us = p.heartbeat_us + PLAN_STALE_US;
	assert_false(plan_decide(&p, &r).admit);
	r.now_us++;
	assert_true(plan_decide(&p, &r).admit);
	assert_int_equal(plan_decide(&p, &r).reason, REASON_STALE);
	r.now_us = 1; /* written by another clock, far ahead */
	p.heartbeat_us = 1 + PLAN_STALE_US + 1;
	assert_true(plan_decide(&p, &r).admit);
	p.heartbeat_us = 1000000;
	r = asks();
	r.in_flight = 100;
	p.version++;
	assert_true(plan_decide(&p, &r).admit);
	memset(&p, 0, sizeof(p));
	assert_true(plan_decide(&p, &r).admit);
	p = fresh();
	r.service = 1;
	assert_true(plan_decide(&p, &r).admit);
	r.service = 100000;
	assert_true(plan_decide(&p, &r).admit);
	r.service = 0;
	p.order = PLAN_BLIND;
	assert_int_equal(plan_decide(&p, &r).reason, REASON_BLIND);
	assert_true(plan_decide(&p, &r).admit);
}

static void orders_beat_trust_and_observe(void **state)
{
	struct plan p = fresh();
	struct plan_request r = asks();

	r.in_flight = 100;
	r.trusted = 1;
	assert_true(plan_decide(&p, &r).admit);
	r.trusted = 0;
	p.service[0].shed = PLAN_SHED_NO;
	assert_true(plan_decide(&p, &r).admit);
	p.service[0].shed = PLAN_SHED_YES;
	p.mode = PLAN_OBSERVE;
	assert_true(plan_decide(&p, &r).admit);
	assert_true(plan_decide(&p, &r).would_defer);
	p.order = PLAN_DRAIN;
	r.trusted = 1;
	assert_false(plan_decide(&p, &r).admit);
	assert_int_equal(plan_decide(&p, &r).reason, REASON_DRAIN);
	p.order = PLAN_MAINTENANCE;
	p.service[0].trusted_pass = 1;
	assert_true(plan_decide(&p, &r).admit);
	assert_int_equal(plan_decide(&p, &r).reason, REASON_TRUSTED);
	r.trusted = 0;
	assert_false(plan_decide(&p, &r).admit);
	r.trusted = 1;
	p.service[0].trusted_pass = 0;
	assert_int_equal(plan_decide(&p, &r).reason, REASON_MAINTENANCE);
}

static void each_property_of_a_source_has_its_reason(void **state)
{
	struct plan p = fresh();
	struct plan_request r = asks();

	p.service[0].source_max = 3;
	r.sessions = 2;
	assert_true(plan_decide(&p, &r).admit);
	r.sessions = 3;
	assert_int_equal(plan_decide(&p, &r).reason, REASON_SESSIONS);
	r.sessions = 0;
	r.heavy = PLAN_HEAVY_LIMIT;
	assert_int_equal(plan_decide(&p, &r).limit, LIMIT_HEAVY);
	r = asks();
	r.refused = 1;
	assert_int_equal(plan_decide(&p, &r).reason, REASON_REFUSED);
	p.service[0].shed = PLAN_SHED_NO; /* asked for by name: submission is no way around it */
	p.order = PLAN_BLIND;
	assert_false(plan_decide(&p, &r).admit);
	p.mode = PLAN_OBSERVE;
	assert_true(plan_decide(&p, &r).admit);
	assert_true(plan_decide(&p, &r).would_defer);
	p.mode = PLAN_ENFORCE;
	p.order = PLAN_SERVE;
	r.trusted = 1;
	assert_true(plan_decide(&p, &r).admit);
	r = asks();
	p.service[0].shed = PLAN_SHED_YES;
	r.heavy = PLAN_HEAVY_LIMIT;
	r.trusted = 1;
	assert_true(plan_decide(&p, &r).admit);
}

static void each_band_has_a_cutoff_of_its_own(void **state)
{
	struct plan p = fresh();
	struct plan_request r = asks();

	p.service[0].cutoff[PLAN_BAND_GENERAL] = 100;
	p.service[0].cutoff[PLAN_BAND_NEW] = 50;
	p.service[0].reserve_256 = 128;
	r.in_flight = 5; /* of 10 */
	r.score = 60;
	assert_false(plan_decide(&p, &r).admit);
	r.band = PLAN_BAND_NEW;
	assert_true(plan_decide(&p, &r).admit);
	r.band = PLAN_BAND_PROMISED;
	assert_true(plan_decide(&p, &r).admit);
	/* a limit that others fill leaves the due a place */
	r.in_flight = 10;
	assert_true(plan_decide(&p, &r).admit);
	r.in_flight = 11;
	assert_int_equal(plan_decide(&p, &r).limit, LIMIT_WINDOW);
	r.in_flight = 0;
	r.ungreeted = 5;
	assert_true(plan_decide(&p, &r).admit);
	r.ungreeted = 6;
	assert_int_equal(plan_decide(&p, &r).limit, LIMIT_UNGREETED);
	r.ungreeted = 0;
	r.band = 200; /* from a damaged map: no band, no cut-off */
	r.score = 0;
	assert_true(plan_decide(&p, &r).admit);
}

/* One address and its neighbours are one group; ties change with the epoch and are even over
 * groups. */
static void a_group_is_a_network_and_its_tie_holds_for_an_epoch(void **state)
{
	uint8_t a[16] = { [10] = 0xff, 0xff, 192, 0, 2, 7 }, b[16] = { 0x20, 0x01, 0x0d, 0xb8 };
	uint64_t v4 = plan_group(a), v6 = plan_group(b);
	unsigned under = 0;

	a[15] = 200;
	assert_true(plan_group(a) == v4);
	a[14] = 3;
	assert_true(plan_group(a) != v4);
	b[15] = 9;
	assert_true(plan_group(b) == v6);
	b[7] = 1;
	assert_true(plan_group(b) != v6);
	assert_int_equal(plan_score(1, v4, 7) >> 16, 7);
	assert_int_equal(plan_score(1, v4, 7), plan_score(1, v4, 7));
	assert_true(plan_score(1, v4, 7) != plan_score(2, v4, 7));
	for (unsigned i = 0; i < 10000; i++)
		under += (plan_score(99, v4 + ((uint64_t)i << 8), 0) & 0xffff) < 0x4000;
	assert_near((int)under, 2500, 150);
	assert_true(plan_score(UINT64_MAX, v4, PLAN_RANK_MAX) < PLAN_UNLIMITED);
}

static void a_torn_plan_is_not_read(void **state)
{
	struct plan shared = { 0 }, p = fresh(), got;

	plan_write(&shared, &p);
	assert_int_equal(plan_read(&shared, &got), 0);
	assert_int_equal(got.service[0].window, 10);
	shared.sequence |= 1; /* its writer died in the middle */
	assert_int_equal(plan_read(&shared, &got), -1);
}

static struct plan racing;
static int stop_racing;

static void *write_for_ever(void *context)
{
	struct plan p = fresh();

	for (uint64_t i = 0; !__atomic_load_n(&stop_racing, __ATOMIC_RELAXED); i++) {
		p.epoch = p.salt = i;
		for (int s = 0; s < PLAN_SERVICES; s++)
			p.service[s].window = (uint32_t)i;
		plan_write(&racing, &p);
		/* A moment, so that a reader has a chance however the machine schedules the two. */
		for (volatile unsigned k = 0; k < 1000; k++)
			;
	}
	return NULL;
}

/* A reader beside a writer sees the plan before or after, never half of each. */
static void a_plan_that_changes_during_the_copy_is_not_read(void **state)
{
	pthread_t writer;
	struct plan p = fresh(), got;
	unsigned whole = 0;

	plan_write(&racing, &p);
	assert_int_equal(pthread_create(&writer, NULL, write_for_ever, NULL), 0);
	for (int i = 0; i < 2000000 && whole < 200000; i++) {
		if (plan_read(&racing, &got) < 0 || got.epoch == 0) {
			sched_yield(); /* the writer was stopped in the middle */
			continue;
		}
		whole++;
		for (int s = 0; s < PLAN_SERVICES; s++)
			assert_true(got.service[s].window == (uint32_t)got.epoch &&
				    got.salt == got.epoch);
	}
	__atomic_store_n(&stop_racing, 1, __ATOMIC_RELAXED);
	pthread_join(writer, NULL);
	assert_true(whole > 0);
}

static void a_counter_that_began_anew_gives_nothing(void **state)
{
	assert_near(counter_delta(7, 5), 2, 0);
	assert_near(counter_delta(3, 5), 0, 0);
}

static void the_bucket_gives_its_rate_and_no_more_than_its_burst(void **state)
{
	struct plan p = fresh();
	struct plan_bucket bucket = { 0 };
	unsigned taken = 0;

	p.service[0].rate_milli = 50000;
	for (uint64_t now = 1000000; now <= 11000000; now += 1000) {
		while (plan_bucket_refill(&bucket, &p.service[0], now) >= 1000) {
			plan_bucket_take(&bucket);
			taken++;
		}
	}
	assert_near((int)taken, 505, 6);
	taken = 0;
	while (plan_bucket_refill(&bucket, &p.service[0], 100000000) >= 1000 && taken < 100) {
		plan_bucket_take(&bucket);
		taken++;
	}
	assert_int_equal(taken, 5);
	p.service[0].rate_milli = PLAN_UNLIMITED;
	assert_int_equal(plan_bucket_refill(&bucket, &p.service[0], 100000001), PLAN_UNLIMITED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_limit_binds_at_its_bound),
		cmocka_unit_test(who_comes_last_gets_what_others_leave),
		cmocka_unit_test(what_is_stale_or_foreign_admits),
		cmocka_unit_test(orders_beat_trust_and_observe),
		cmocka_unit_test(each_property_of_a_source_has_its_reason),
		cmocka_unit_test(each_band_has_a_cutoff_of_its_own),
		cmocka_unit_test(a_group_is_a_network_and_its_tie_holds_for_an_epoch),
		cmocka_unit_test(a_torn_plan_is_not_read),
		cmocka_unit_test(a_plan_that_changes_during_the_copy_is_not_read),
		cmocka_unit_test(a_counter_that_began_anew_gives_nothing),
		cmocka_unit_test(the_bucket_gives_its_rate_and_no_more_than_its_burst),
	};

	return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
