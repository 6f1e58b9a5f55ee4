#include "cmocka_test.h"

#include <math.h>

#include "core/engine.h"

/* A server whose sessions end at once and whose mail goes through a filter that carries `filter` a
 * second: the engine in a loop with it, connections decided by plan_decide() as a front does. */
struct behind {
	struct engine engine;
	struct engine_config config;
	struct load load;
	struct sample sample;
	struct plan plan;
	struct plan_bucket bucket;
	uint64_t now_us, looked_us;
	double offered, filter, others, per_session, queue, seen,
		owed; /* messages; `others`: for elsewhere */
	uint64_t deferred_for_queue;
	bool see_completions, see_no_queue;
};

static struct behind b;

static int setup(void **state)
{
	memset(&b, 0, sizeof(b));
	b.config = (struct engine_config){
		.cores = 4,
		.window = { .cores = 4, .min = 4, .banner_objective_us = 500000 },
		.epoch_us = 60000000,
		.services = 1,
		.service = { { .name = "mx", .reply_code = 451 } }
	};
	for (int i = 0; i < SIGNAL__COUNT; i++)
		b.config.target[i] = signal_info[i].target;
	b.now_us = 1000000;
	b.per_session = 1;
	b.see_completions = true;
	engine_init(&b.engine, &b.config, 1);
	return 0;
}

static void tick(void)
{
	struct load_service *l = &b.load.service[0];
	unsigned arrivals;

	b.owed += b.offered * 0.1;
	arrivals = (unsigned)b.owed;
	b.owed -= arrivals;
	for (unsigned i = 0; i < arrivals; i++) {
		struct plan_request request = { .now_us = b.now_us,
						.tokens_milli = plan_bucket_refill(
							&b.bucket, &b.plan.service[0], b.now_us),
						.score = PLAN_UNLIMITED };
		struct verdict v = plan_decide(&b.plan, &request);

		l->offered++;
		if (!v.admit) {
			l->deferred++;
			b.deferred_for_queue += v.reason == REASON_QUEUE;
			continue;
		}
		plan_bucket_take(&b.bucket);
		l->admitted++;
		l->completed++;
		l->finished++;
		l->session_us += 20000;
		l->server_us += 10000;
		l->busy_us += 10000;
		b.queue += b.per_session;
	}
	b.queue = fmax(0, b.queue - b.filter * 0.1);
	if (b.now_us - b.looked_us >= 1000000) { /* a look a second */
		b.looked_us = b.now_us;
		b.seen = b.queue;
	}
	l->known = LOAD_IN_FLIGHT | LOAD_OFFERED |
		   (b.see_completions ? LOAD_COMPLETED | LOAD_BUSY | LOAD_UNGREETED : 0);
	sample_clear(&b.sample, b.now_us += 100000);
	sample_put(&b.sample, SIGNAL_CPU_STALL_RATIO, 0.2, VIA_PSI);
	sample_put(&b.sample, SIGNAL_CPU_BUSY_RATIO, 0.3, VIA_PROCFS);
	sample_put(&b.sample, SIGNAL_MTA_CPU_CORES, 0.1, VIA_CGROUP);
	if (!b.see_no_queue) {
		sample_put(&b.sample, SIGNAL_QUEUE_READY_COUNT, b.seen, VIA_SPOOL);
		sample_put(&b.sample, SIGNAL_QUEUE_COUNT, b.seen + b.others, VIA_SPOOL);
	}
	engine_step(&b.engine, &b.sample, &b.load, 0, &b.plan);
}

static void run(double seconds)
{
	for (int i = 0; i < seconds * 10; i++)
		tick();
}

/* Admitted a second over the next `seconds`. */
static double admitted(double seconds)
{
	uint64_t before = b.load.service[0].admitted;

	run(seconds);
	return (double)(b.load.service[0].admitted - before) / seconds;
}

static void sessions_end_fast_while_the_queue_grows(void **state)
{
	b.offered = 100;
	b.filter = 20;
	run(300);
	/* What the filter carries is what is taken, and it never runs dry. */
	assert_near(admitted(300), 20, 2);
	assert_true(b.queue > 200 && b.queue < 20 * 60);
	assert_true(b.deferred_for_queue > 0);
	assert_true(b.engine.view.window[0].queue_binds);
	assert_true(b.engine.view.level.number >= LEVEL_SHEDDING);
	/* Back to what it carries: nothing is refused, and the queue runs empty. */
	b.offered = 12;
	run(200);
	assert_near(admitted(100), 12, 0.5);
	assert_true(b.queue < 50);
	assert_false(b.engine.view.window[0].queue_binds);
}

static void the_backlog_stays_bounded_when_the_filter_slows_down(void **state)
{
	double most = 0;

	b.offered = 50;
	b.filter = 60;
	run(60);
	assert_int_equal(b.load.service[0].deferred, 0);
	b.filter = 10;
	for (int i = 0; i < 600; i++) {
		run(1);
		most = fmax(most, b.queue);
	}
	assert_true(most < 10 * 120);
	assert_near(admitted(120), 10, 1.5);
}

/* Each look is off by a fifth, and every other one fails: what is taken is what leaves all the
 * same. */
static void a_queue_that_is_counted_badly(void **state)
{
	uint64_t random = 1;
	unsigned looks = 0;

	b.offered = 100;
	b.filter = 20;
	for (int i = 0; i < 9000; i++) {
		tick();
		if (b.looked_us != b.now_us - 100000)
			continue;
		random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
		b.seen *= 0.8 + 0.4 * (double)(random >> 40) / (double)(1 << 24);
		b.see_no_queue = looks++ % 2;
	}
	b.see_no_queue = false;
	assert_near(admitted(300), 20, 3);
	assert_true(b.queue < 20 * 90);
}

static void a_filter_that_hangs_lets_a_little_through(void **state)
{
	b.offered = 50;
	b.filter = 60;
	run(60);
	b.filter = 0;
	run(600);
	assert_true(admitted(60) > 0.05 && admitted(60) < 5);
	b.filter = 60;
	run(400);
	assert_near(admitted(100), 50, 2);
}

static void several_messages_a_session(void **state)
{
	b.offered = 50;
	b.per_session = 4;
	b.filter = 40;
	run(600);
	assert_near(admitted(300), 10, 2);
	assert_true(b.queue < 40 * 240);
}

static void where_completions_cannot_be_seen(void **state)
{
	b.see_completions = false;
	b.offered = 100;
	b.filter = 20;
	run(400);
	assert_near(admitted(300), 20, 3);
	assert_true(b.queue < 20 * 90);
}

static void an_operator_may_leave_the_queue_out_of_it(void **state)
{
	b.config.target[SIGNAL_QUEUE_DRAIN_S] = 0;
	engine_configure(&b.engine, &b.config);
	b.offered = 100;
	b.filter = 20;
	run(300);
	assert_int_equal(b.deferred_for_queue, 0);
	assert_true(b.queue > 20000);
	assert_true(b.engine.view.backlog.drain_s > 600);
}

static void mail_for_elsewhere_refuses_nothing(void **state)
{
	b.offered = 50;
	b.filter = 60;
	b.others = 200000; /* destinations that are down */
	run(300);
	assert_int_equal(b.load.service[0].deferred, 0);
	assert_true(b.engine.view.pressure.signal[SIGNAL_QUEUE_DRAIN_S] < 0.5);
}

static void a_few_that_are_stuck_refuse_nothing(void **state)
{
	b.offered = 0.2;
	b.filter = 0;
	b.queue = 30;
	run(60);
	assert_int_equal(b.load.service[0].deferred, 0);
}

static void without_sight_of_the_queue_nothing_binds(void **state)
{
	b.offered = 100;
	b.filter = 20;
	run(300);
	b.see_no_queue = true;
	run(5); /* a look that fails is no sight lost */
	assert_true(b.engine.view.backlog.known);
	run(6);
	assert_false(b.engine.view.backlog.known);
	assert_true(b.engine.view.window[0].queue_allowed_per_s < 0);
	assert_false(sample_has(&b.sample, SIGNAL_QUEUE_DRAIN_S));
}

static double drain_of(double ready)
{
	struct backlog backlog = { 0 };
	struct backlog_view view;

	for (int i = 0; i < 100; i++)
		backlog_step(&backlog, ready, 0, 0, 0.1, &view);
	return view.drain_s;
}

/* A day is the longest time that is said. */
static void a_queue_that_stands_has_an_end(void **state)
{
	assert_near(drain_of(50 + 50), 86400, 1);
	assert_near(drain_of(1e6), 86400, 1);
}

static struct backlog_view queue(struct backlog *backlog, unsigned seconds, double ready,
				 double growth, double jobs_per_s)
{
	struct backlog_view view = { 0 };

	for (unsigned i = 0; i < seconds * 10; i++)
		backlog_step(backlog, ready < 0 ? -1 : ready + growth * i / 10, jobs_per_s, 60, 0.1,
			     &view);
	return view;
}

static void looks_may_fail_for_ten_seconds(void **state)
{
	struct backlog backlog = { 0 };

	assert_true(queue(&backlog, 5, 1000, 0, 10).known);
	assert_true(queue(&backlog, 9, -1, 0, 10).known);
	assert_false(queue(&backlog, 2, -1, 0, 10).known);
}

static void something_leaves_even_where_the_queue_grows_by_more_than_comes(void **state)
{
	struct backlog backlog = { 0 };
	struct backlog_view view = queue(&backlog, 60, 1000, 300, 100);

	assert_near(view.leaving_per_s, 5, 0.01);
}

static void something_is_let_through_where_nothing_came(void **state)
{
	struct backlog backlog = { 0 };
	struct backlog_view view = queue(&backlog, 60, 100000, 0, 0);

	assert_near(view.allowed_per_s, 0.2, 0.001);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(sessions_end_fast_while_the_queue_grows, setup),
		cmocka_unit_test_setup(the_backlog_stays_bounded_when_the_filter_slows_down, setup),
		cmocka_unit_test_setup(a_queue_that_is_counted_badly, setup),
		cmocka_unit_test_setup(a_filter_that_hangs_lets_a_little_through, setup),
		cmocka_unit_test_setup(several_messages_a_session, setup),
		cmocka_unit_test_setup(where_completions_cannot_be_seen, setup),
		cmocka_unit_test_setup(mail_for_elsewhere_refuses_nothing, setup),
		cmocka_unit_test_setup(an_operator_may_leave_the_queue_out_of_it, setup),
		cmocka_unit_test_setup(a_few_that_are_stuck_refuse_nothing, setup),
		cmocka_unit_test_setup(without_sight_of_the_queue_nothing_binds, setup),
		cmocka_unit_test_setup(a_queue_that_stands_has_an_end, setup),
		cmocka_unit_test(looks_may_fail_for_ten_seconds),
		cmocka_unit_test(something_leaves_even_where_the_queue_grows_by_more_than_comes),
		cmocka_unit_test(something_is_let_through_where_nothing_came),
	};

	return cmocka_run_group_tests_name("backlog", tests, NULL, NULL);
}
