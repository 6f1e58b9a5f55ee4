#include "cmocka_test.h"

#include "core/counts.h"

static void slots_are_ordered_and_narrow(void **state)
{
	unsigned last = 0;

	for (uint64_t v = 0; v < 5000000; v += 1 + v / 97) {
		unsigned slot = counts_slot(v);
		uint64_t upper = counts_slot_upper(slot);

		assert_true(slot >= last && slot < COUNTS_SLOTS);
		assert_true(v <= upper);
		assert_true((double)upper <= 1.125 * (double)v + 1);
		if (slot)
			assert_true(counts_slot_upper(slot - 1) < v);
		last = slot;
	}
	assert_int_equal(counts_slot(UINT64_MAX), COUNTS_SLOTS - 1);
}

static void quantile_is_of_the_difference(void **state)
{
	uint64_t now[COUNTS_SLOTS] = { 0 }, before[COUNTS_SLOTS] = { 0 };

	assert_true(counts_quantile(now, before, .99) < 0);
	now[counts_slot(1000000)] = before[counts_slot(1000000)] = 1000; /* old, slow ones */
	for (int i = 0; i < 100; i++)
		now[counts_slot(100)]++;
	now[counts_slot(5000)] += 1;
	assert_near(counts_quantile(now, before, .5), 100, 13);
	assert_near(counts_quantile(now, before, .999), 5000, 630);
}

static void verdicts_are_counted_once_each(void **state)
{
	struct counts_service s = { 0 };

	counts_verdict(&s, (struct verdict){ .admit = 1, .reason = REASON_NONE });
	counts_verdict(&s,
		       (struct verdict){ .admit = 0, .reason = REASON_CPU, .limit = LIMIT_WINDOW });
	counts_verdict(&s, (struct verdict){ .admit = 1,
					     .would_defer = 1,
					     .reason = REASON_DISK,
					     .limit = LIMIT_RATE });
	assert_int_equal(s.offered, 3);
	assert_int_equal(s.admitted, 2);
	assert_int_equal(s.deferred, 1);
	assert_int_equal(s.would_defer, 1);
	assert_int_equal(s.deferred_by[REASON_CPU], 1);
	assert_int_equal(s.deferred_limit[LIMIT_RATE], 1);
}

static void who_is_held_is_offered_once_and_has_one_end(void **state)
{
	const struct verdict in = { .admit = 1 },
			     out = { .reason = REASON_CPU, .limit = LIMIT_WINDOW };
	struct counts_service s = { 0 }, sum = { 0 };

	for (int i = 0; i < 4; i++)
		counts_hold(&s);
	counts_release(&s, HELD_ADMITTED, 1000, in);
	counts_release(&s, HELD_IN_VAIN, 5000000, out);
	counts_release(&s, HELD_LEFT, 2000, in);
	assert_int_equal(s.offered, 4);
	assert_int_equal(s.admitted, 1);
	assert_int_equal(s.deferred, 1);
	assert_int_equal(s.deferred_by[REASON_CPU], 1);
	assert_int_equal(s.deferred_limit[LIMIT_WINDOW], 1);
	assert_int_equal(s.held, 1);
	assert_int_equal(s.held_admitted, 1);
	assert_int_equal(s.held_in_vain, 1);
	assert_int_equal(s.held_left, 1);
	assert_int_equal(s.held_sum_us, 5003000);
	assert_int_equal(s.held_time[counts_slot(5000000)], 1);
	s.oldest_held_since_us = 7;
	counts_add(&sum, &s);
	counts_add(&sum, &s);
	assert_int_equal(sum.held, 2);
	assert_int_equal(sum.oldest_held_since_us, 7);
	counts_clear_gauges(&s);
	assert_int_equal(s.held, 0);
	assert_int_equal(s.oldest_held_since_us, 0);
	assert_int_equal(s.held_left, 1);
}

static void sums_keep_the_oldest_waiting(void **state)
{
	struct counts_service a = { .admitted = 3, .oldest_waiting_since_us = 500 },
			      b = { .admitted = 4, .oldest_waiting_since_us = 200 }, none = { 0 };

	counts_add(&a, &b);
	assert_int_equal(a.admitted, 7);
	assert_int_equal(a.oldest_waiting_since_us, 200);
	counts_add(&a, &none);
	assert_int_equal(a.oldest_waiting_since_us, 200);
}

/* Processes may number services differently: only the name counts. */
static void blocks_are_arranged_by_the_names_of_services(void **state)
{
	const uint64_t mx = plan_service_id("mx"), out = plan_service_id("out"),
		       other = plan_service_id("other");
	const uint64_t here[PLAN_SERVICES] = { mx, other, out };
	static struct counts c;

	assert_true(mx && out && other && mx != out && mx != other && out != other);
	counts_init(&c, "proxy", 1);
	c.service_id[0] = out;
	c.service_id[1] = mx;
	c.service_id[2] = plan_service_id("gone");
	c.serves = 1; /* out */
	c.service[0].offered = 10;
	c.service[1].offered = 20;
	c.service[2].offered = 30;
	c.service[7].held_sum_us = 40;
	counts_arrange(&c, here);
	assert_memory_equal(c.service_id, here, sizeof(here));
	assert_int_equal(c.service[0].offered, 20);
	assert_int_equal(c.service[1].offered, 0);
	assert_int_equal(c.service[2].offered, 10);
	assert_int_equal(c.service[7].held_sum_us, 0);
	assert_int_equal(c.serves, 1 << 2);
	counts_arrange(&c, here);
	assert_int_equal(c.service[0].offered, 20);
	assert_int_equal(c.service[2].offered, 10);
	assert_int_equal(c.serves, 1 << 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slots_are_ordered_and_narrow),
		cmocka_unit_test(quantile_is_of_the_difference),
		cmocka_unit_test(verdicts_are_counted_once_each),
		cmocka_unit_test(who_is_held_is_offered_once_and_has_one_end),
		cmocka_unit_test(sums_keep_the_oldest_waiting),
		cmocka_unit_test(blocks_are_arranged_by_the_names_of_services),
	};

	return cmocka_run_group_tests_name("counts", tests, NULL, NULL);
}
