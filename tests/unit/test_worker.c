/* One thread for several jobs: each at its own rate, at once when something begins to press, gone
 * when it is removed. */
#include "cmocka_test.h"

#include <errno.h>
#include <stdatomic.h>
#include <time.h>

#include "sensor/worker.h"

#define HOUR_US 3600000000u

struct looker {
	atomic_uint looks, calm_looks;
	uint64_t rest_us;
};

static uint64_t look(void *context, bool idle)
{
	struct looker *l = context;

	atomic_fetch_add(&l->calm_looks, idle);
	atomic_fetch_add(&l->looks, 1);
	return l->rest_us;
}

static void wait_looks(struct looker *l, unsigned looks)
{
	const struct timespec pause = { 0, 2000000 };

	for (int tries = 0; atomic_load(&l->looks) < looks; tries++) {
		assert_true(tries < 15000);
		nanosleep(&pause, NULL);
	}
}

static void each_job_at_its_own_rate(void **state)
{
	struct looker quick = { .rest_us = 1000 }, slow = { .rest_us = HOUR_US };
	struct worker *l = NULL;

	assert_int_equal(worker_open(&l), 0);
	assert_int_equal(worker_add(l, look, &slow), 0);
	assert_int_equal(worker_add(l, look, &quick), 0);
	wait_looks(&quick, 20);
	wait_looks(&slow, 1);
	assert_int_equal(atomic_load(&slow.looks), 1);
	assert_true(worker_end(l, HOUR_US));
	worker_close(l);
}

static void what_presses_is_looked_at_at_once(void **state)
{
	struct looker slow = { .rest_us = HOUR_US };
	struct worker *l = NULL;

	assert_int_equal(worker_open(&l), 0);
	worker_set_idle(l, true);
	assert_int_equal(worker_add(l, look, &slow), 0);
	wait_looks(&slow, 1);
	assert_int_equal(atomic_load(&slow.calm_looks), 1);
	for (unsigned i = 0; i < 3; i++) {
		/* As ticks do: when the thread holds the lock just now, the next one says it. */
		for (int tries = 0; atomic_load(&slow.looks) < 2 + i; tries++) {
			const struct timespec pause = { 0, 2000000 };

			assert_true(tries < 15000);
			worker_set_idle(l, tries & 1);
			nanosleep(&pause, NULL);
		}
	}
	assert_true(worker_end(l, HOUR_US));
	worker_close(l);
}

static void a_job_that_is_removed_looks_no_more(void **state)
{
	struct looker jobs[WORKER_JOBS], more = { .rest_us = HOUR_US };
	struct worker *l = NULL;
	unsigned looks;

	assert_int_equal(worker_open(&l), 0);
	for (int i = 0; i < WORKER_JOBS; i++) {
		jobs[i] = (struct looker){ .rest_us = 1000 };
		assert_int_equal(worker_add(l, look, &jobs[i]), 0);
	}
	assert_int_equal(worker_add(l, look, &more), -ENOSPC);
	wait_looks(&jobs[0], 3);
	assert_true(worker_remove(l, &jobs[0]));
	looks = atomic_load(&jobs[0].looks);
	wait_looks(&jobs[1], atomic_load(&jobs[1].looks) + 10);
	assert_int_equal(atomic_load(&jobs[0].looks), looks);
	assert_int_equal(worker_add(l, look, &more), 0);
	wait_looks(&more, 1);
	assert_true(worker_end(l, HOUR_US));
	assert_true(worker_remove(l, &more));
	worker_close(l);
	assert_int_equal(worker_add(NULL, look, &more), -ENOMEM);
}

struct hanging {
	atomic_bool begun, over, ended;
};

static uint64_t hang(void *context, bool idle)
{
	const struct timespec pause = { 0, 2000000 };
	struct hanging *h = context;

	atomic_store(&h->begun, true);
	while (!atomic_load(&h->over))
		nanosleep(&pause, NULL);
	atomic_store(&h->ended, true);
	return HOUR_US;
}

static void wait_true(atomic_bool *what)
{
	const struct timespec pause = { 0, 2000000 };

	for (int tries = 0; !atomic_load(what); tries++) {
		assert_true(tries < 15000);
		nanosleep(&pause, NULL);
	}
}

/* A dead file system. Both stay as they are: the thread has them. */
static void no_caller_waits_for_a_job_that_hangs(void **state)
{
	static struct hanging h;
	static struct worker *l;

	assert_int_equal(worker_open(&l), 0);
	assert_int_equal(worker_add(l, hang, &h), 0);
	wait_true(&h.begun);
	assert_false(worker_end(l, 10000));
	assert_true(*worker_stop(l));
	assert_false(worker_remove(l, &h));
	atomic_store(&h.over, true);
	wait_true(&h.ended);
}

/* A sensor is opened again while its job hangs: the new job waits for its turn, and the old one has
 * none any more. */
static void a_job_that_hangs_is_removed_without_waiting_for_it(void **state)
{
	struct looker next_one = { .rest_us = 1000 };
	static struct hanging h;
	struct worker *l;

	assert_int_equal(worker_open(&l), 0);
	assert_int_equal(worker_add(l, hang, &h), 0);
	wait_true(&h.begun);
	assert_false(worker_remove(l, &h));
	assert_int_equal(worker_add(l, look, &next_one), 0);
	assert_int_equal(atomic_load(&next_one.looks), 0);
	atomic_store(&h.over, true);
	wait_looks(&next_one, 5);
	/* Its place is free. */
	for (int i = 0; i < WORKER_JOBS - 1; i++)
		assert_int_equal(worker_add(l, look, &next_one), 0);
	assert_int_equal(worker_add(l, look, &next_one), -ENOSPC);
	assert_true(worker_end(l, HOUR_US));
	worker_close(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_job_at_its_own_rate),
		cmocka_unit_test(what_presses_is_looked_at_at_once),
		cmocka_unit_test(a_job_that_is_removed_looks_no_more),
		cmocka_unit_test(no_caller_waits_for_a_job_that_hangs),
		cmocka_unit_test(a_job_that_hangs_is_removed_without_waiting_for_it),
	};

	return cmocka_run_group_tests_name("worker", tests, NULL, NULL);
}
