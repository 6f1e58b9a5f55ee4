#include "cmocka_test.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/engine.h"

#define SECOND UINT64_C(1000000)

static void put(struct sample *s, enum signal signal, double value)
{
	s->value[signal] = value;
	s->via[signal] = VIA_PROCFS;
}

/* `jobs` came in, and all of them were done. */
static void serve(struct load_service *l, unsigned jobs)
{
	l->known = LOAD_IN_FLIGHT | LOAD_OFFERED | LOAD_COMPLETED | LOAD_BUSY | LOAD_UNGREETED;
	l->in_flight = 5;
	l->busy = 1;
	l->busy_us += SECOND / 10;
	l->offered += jobs;
	l->admitted += jobs;
	l->completed += jobs;
	l->server_us += jobs * 20000;
	l->session_us += jobs * 200000;
}

/* The queue behind the server lets 20 a second leave, and one service brings them all. A service
 * that brought nothing so far may begin. */
static void a_small_service_has_its_part_of_a_queue_that_binds(void **state)
{
	static struct engine engine;
	static struct engine_config config;
	static struct load load;
	static struct sample sample;
	static struct plan plan;
	struct plan_bucket bucket = { 0 };
	uint64_t now_us = SECOND;
	double ready = 0, owed = 0;
	unsigned asked = 0, admitted = 0;

	config.services = 2;
	config.epoch_us = 60 * SECOND;
	config.window =
		(struct window_config){ .cores = 2, .min = 4, .banner_objective_us = 500000 };
	for (int i = 0; i < SIGNAL__COUNT; i++)
		config.target[i] = signal_info[i].target;
	config.service[0].reply_code = config.service[1].reply_code = 451;
	engine_init(&engine, &config, 1);
	for (int tick = 0; tick < 6000; tick++) {
		double rate = 50;

		now_us += SECOND / 10;
		if (tick > 100 && plan.service[0].rate_milli != PLAN_UNLIMITED)
			rate = fmin(rate, plan.service[0].rate_milli / 1e3);
		ready = tick > 100 ? fmax(0, ready + rate / 10 - 2) : 0;
		sample_clear(&sample, now_us);
		put(&sample, SIGNAL_CPU_STALL_RATIO, 0.1);
		put(&sample, SIGNAL_IO_STALL_RATIO, 0);
		put(&sample, SIGNAL_MEM_STALL_RATIO, 0);
		put(&sample, SIGNAL_MTA_CPU_CORES, 0.3);
		put(&sample, SIGNAL_CPU_BUSY_RATIO, 0.3);
		put(&sample, SIGNAL_QUEUE_READY_COUNT, ready);
		owed += rate / 10;
		serve(&load.service[0], (unsigned)owed);
		owed -= (unsigned)owed;
		serve(&load.service[1], 0);
		if (tick >= 3000 && tick % 20 == 0) { /* one each two seconds, by the bucket */
			asked++;
			if (plan_bucket_refill(&bucket, &plan.service[1], now_us) >= 1000) {
				plan_bucket_take(&bucket);
				admitted++;
				serve(&load.service[1], 1);
			}
		}
		engine_step(&engine, &sample, &load, now_us, &plan);
	}
	assert_true(engine.view.backlog.allowed_per_s > 0);
	assert_true(plan.service[0].rate_milli < 40000); /* it does bind */
	assert_int_equal(admitted, asked);
}

static struct engine engine;
static struct engine_config config;
static struct load load;
static struct sample sample;
static struct plan plan;

static void begin(unsigned services)
{
	memset(&load, 0, sizeof(load));
	memset(&config, 0, sizeof(config));
	config.services = services;
	config.epoch_us = 60 * SECOND;
	config.window =
		(struct window_config){ .cores = 1, .min = 4, .banner_objective_us = 500000 };
	for (int i = 0; i < SIGNAL__COUNT; i++)
		config.target[i] = signal_info[i].target;
	engine_init(&engine, &config, 1);
	sample_clear(&sample, SECOND);
}

static void step(double dt_s)
{
	uint64_t now_us = sample.now_us + (uint64_t)(dt_s * 1e6);

	put(&sample, SIGNAL_CPU_STALL_RATIO, 1);
	sample.now_us = now_us;
	engine_step(&engine, &sample, &load, now_us, &plan);
}

/* The servo cuts by three tenths in a step at most. */
static void the_first_tick_is_a_second(void **state)
{
	begin(1);
	load.service[0].known = LOAD_IN_FLIGHT | LOAD_OFFERED;
	put(&sample, SIGNAL_RUNQ_P99_US, 3 * signal_info[SIGNAL_RUNQ_P99_US].target);
	step(0);
	assert_near(engine.view.window[0].window, 70, 0.1);
}

/* The share that is admitted, where one of two is deferred and so many are offered a second. */
static double admitted_of(double per_s)
{
	double owed = 0;

	begin(1);
	load.service[0].known = LOAD_IN_FLIGHT | LOAD_OFFERED;
	for (int i = 0; i < 1000; i++) {
		owed += per_s / 2;
		load.service[0].offered += 2 * (uint64_t)owed;
		load.service[0].deferred += (uint64_t)owed;
		owed -= (double)(uint64_t)owed;
		step(1);
	}
	return engine.view.admit_ratio;
}

static void so_few_that_the_share_says_nothing(void **state)
{
	struct told_rates *told = &engine.told;

	assert_near(admitted_of(10), 0.5, 0.05);
	told->service[0].offered_per_s = 0.4;
	told->service[0].deferred_per_s = 0.2;
	step(0.4);
	assert_near(engine.view.admit_ratio, 0.5, 0.05); /* .27 a second are left */
	step(0.8);
	assert_near(engine.view.admit_ratio, 1, 0.001); /* .12 */
}

static void each_service_has_a_limit_of_its_own(void **state)
{
	begin(2);
	config.service[0].window_max = 10;
	config.service[1].window_max = 30;
	config.window.max = 20;
	engine_init(&engine, &config, 1);
	for (int i = 0; i < 600; i++) {
		serve(&load.service[0], 10);
		serve(&load.service[1], 10);
		step(0.1);
	}
	assert_near(engine.view.window[0].hard, 10, 0.001);
	assert_near(engine.view.window[1].hard, 20, 0.001);
	assert_in_range(plan.service[0].window, 1, 10);
	assert_in_range(plan.service[1].window, 1, 20);
}

static void a_quarter_of_the_queue_is_for_each_of_two_services(void **state)
{
	begin(2);
	for (int i = 0; i < 600; i++) {
		put(&sample, SIGNAL_QUEUE_READY_COUNT, 5.0 * i);
		serve(&load.service[0], 10);
		serve(&load.service[1], 0);
		step(0.1);
	}
	assert_true(engine.view.backlog.allowed_per_s > 0);
	assert_near(plan.service[1].rate_milli / 1e3, engine.view.backlog.allowed_per_s / 4, 0.01);
}

static void what_was_told_in_the_two_ticks_after_an_order_ends_is_not_counted(void **state)
{
	const struct told_rates *told = &engine.told;

	begin(1);
	load.service[0].known = LOAD_IN_FLIGHT | LOAD_OFFERED;
	step(0.1);
	engine.told.order = PLAN_DRAIN;
	for (int i = 0; i < 2; i++) {
		load.service[0].offered++;
		step(0.1);
	}
	assert_near(told->service[0].offered_per_s, 0, 0);
	load.service[0].offered++;
	step(0.1);
	assert_true(told->service[0].offered_per_s > 0.5 && told->service[0].offered_per_s < 1.5);
}

/* Half of one service's clients are refused, none of the other's: a quarter of all. */
static void each_service_has_its_share_of_what_was_told(void **state)
{
	begin(2);
	for (int i = 0; i < 100; i++) {
		for (int k = 0; k < 2; k++) {
			load.service[k].known = LOAD_IN_FLIGHT | LOAD_OFFERED;
			load.service[k].offered += 2;
		}
		load.service[0].deferred += 1;
		step(0.1);
	}
	assert_near(engine.view.deferred_ratio[0], 0.5, 0.01);
	assert_near(engine.view.deferred_ratio[1], 0, 0.01);
	assert_near(engine.view.admit_ratio, 0.75, 0.01);
	engine_set_mode(&engine, PLAN_OBSERVE);
	step(0.1);
	assert_near(engine.view.deferred_ratio[0], 0, 0);
}

/* A proxy that outlives the daemon has counts of its whole life, and so has one that is seen
 * again. */
static void what_a_front_told_before_it_was_seen_is_not_counted(void **state)
{
	begin(1);
	for (int seen = 0; seen < 2; seen++) {
		load.service[0].known = LOAD_IN_FLIGHT | LOAD_OFFERED;
		load.service[0].offered += 3;
		load.service[0].admitted += 2;
		load.service[0].deferred += 1;
		for (int i = 0; i < 20; i++) {
			step(0.1);
			assert_near(told_rates_deferred(&engine.told), 0, 0);
			assert_true(engine.view.level.number < LEVEL_SHEDDING);
		}
		load.service[0].known = 0;
		step(0.1);
	}
}

static void name(unsigned service, const char *text)
{
	snprintf(config.service[service].name, sizeof(config.service[0].name), "%s", text);
}

/* A reload takes the first of two services out. The other one, which refused half of its clients
 * hours ago, takes its number. */
static void a_service_that_moves_up_has_told_nothing_anew(void **state)
{
	begin(2);
	name(0, "mx");
	name(1, "submission");
	engine_init(&engine, &config, 1);
	for (int k = 0; k < 2; k++)
		load.service[k].known = LOAD_IN_FLIGHT | LOAD_OFFERED;
	load.service[1].offered = load.service[1].admitted = 100000;
	load.service[1].deferred = 50000;
	for (int i = 0; i < 30; i++) {
		load.service[0].offered += 2;
		load.service[0].deferred++;
		step(0.1);
	}
	assert_near(told_rates_deferred(&engine.told), 0.5, 0.01);
	name(0, "submission");
	name(1, "");
	config.services = 1;
	load.service[0] = load.service[1];
	memset(&load.service[1], 0, sizeof(load.service[1]));
	engine_configure(&engine, &config);
	for (int i = 0; i < 30; i++) {
		load.service[0].offered += 2;
		load.service[0].admitted += 2;
		step(0.1);
		assert_near(told_rates_deferred(&engine.told), 0, 0);
		assert_near(engine.view.deferred_ratio[0], 0, 0);
	}
}

/* Whether an end is told after memory fell for 150 s, by so much in the 94 s of the shortest look
 * (48 points of two seconds). */
static bool tells_an_end(double by)
{
	begin(1);
	for (int i = 0; i < 1500; i++) {
		put(&sample, SIGNAL_MEM_AVAILABLE_BYTES, 1e9 - by * i / 940);
		sample.via[SIGNAL_MEM_EXHAUSTION_S] = VIA_NONE;
		step(0.1);
	}
	assert_true(engine.forecast.memory.look[0].held > 0);
	return sample_has(&sample, SIGNAL_MEM_EXHAUSTION_S);
}

static void a_fall_that_is_small_beside_what_is_left_tells_no_end(void **state)
{
	assert_false(tells_an_end(3e6));
	assert_false(tells_an_end(80e6));
	assert_true(tells_an_end(100e6));
}

/* A tenth of a second in which clients come and are refused, and some of those inside end. */
static void press(unsigned offered, unsigned completed, double busy)
{
	struct load_service *l = &load.service[0];

	l->known = LOAD_IN_FLIGHT | LOAD_OFFERED | LOAD_COMPLETED | LOAD_BUSY | LOAD_UNGREETED;
	l->in_flight = l->busy = busy;
	l->busy_us += (uint64_t)(busy * (double)SECOND / 10);
	l->offered += offered;
	l->admitted += completed;
	l->deferred += offered - completed;
	l->completed += completed;
	l->finished += completed;
	l->server_us += completed * SECOND;
	l->session_us += completed * SECOND;
	step(0.1);
}

/* Twenty times what the server can do begins at once on an idle machine. What people read of it is
 * never more than that, also before anybody can have finished. */
static void the_onset_of_an_overload_is_not_said_to_be_more_than_it_is(void **state)
{
	const struct engine_view *view = &engine.view;

	begin(1);
	put(&sample, SIGNAL_MTA_CPU_CORES, 0.1);
	for (int i = 0; i < 100; i++)
		press(0, 0, 0);
	for (int i = 1; i <= 300; i++) {
		double at_s = .1 * i;

		put(&sample, SIGNAL_MTA_CPU_CORES, 1);
		sample.via[SIGNAL_SERVER_TIME_US] = VIA_NONE;
		press(50, i <= 10 ? 0 : i % 2 ? 2 : 3, fmax(14, 75 - i));
		if (sample_has(&sample, SIGNAL_SERVER_TIME_US))
			assert_true(sample.value[SIGNAL_SERVER_TIME_US] <= 1e6 * at_s + 1);
		assert_true(view->pressure.signal[SIGNAL_SERVER_TIME_US] <= 2 * at_s + .01);
		assert_true(view->demand_ratio < 24);
	}
	assert_near(view->demand_ratio, 20, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_small_service_has_its_part_of_a_queue_that_binds),
		cmocka_unit_test(the_first_tick_is_a_second),
		cmocka_unit_test(so_few_that_the_share_says_nothing),
		cmocka_unit_test(each_service_has_a_limit_of_its_own),
		cmocka_unit_test(a_quarter_of_the_queue_is_for_each_of_two_services),
		cmocka_unit_test(what_was_told_in_the_two_ticks_after_an_order_ends_is_not_counted),
		cmocka_unit_test(each_service_has_its_share_of_what_was_told),
		cmocka_unit_test(what_a_front_told_before_it_was_seen_is_not_counted),
		cmocka_unit_test(a_service_that_moves_up_has_told_nothing_anew),
		cmocka_unit_test(a_fall_that_is_small_beside_what_is_left_tells_no_end),
		cmocka_unit_test(the_onset_of_an_overload_is_not_said_to_be_more_than_it_is),
	};

	return cmocka_run_group_tests_name("engine", tests, NULL, NULL);
}
