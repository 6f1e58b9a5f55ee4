#include "cmocka_test.h"

#include <math.h>

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

/* The queue behind the server lets 20 a second leave, and one service brings them all. Whoever
 * brought nothing so far may begin. */
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_small_service_has_its_part_of_a_queue_that_binds),
	};

	return cmocka_run_group_tests_name("engine", tests, NULL, NULL);
}
