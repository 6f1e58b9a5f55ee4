/* A sensor that costs more is asked less often, within bounds. */
#include "cmocka_test.h"

#include "kernel/duty_cycle.h"
#include "sensor/budget.h"
#include "sensor/minute_count.h"

#define TICK_US 100000u

/* Polls made in `seconds` at a constant cost of one poll. */
static unsigned polls_in(struct budget *b, double cost_us, unsigned seconds, uint64_t *now_us)
{
	unsigned polls = 0;

	for (unsigned i = 0; i < seconds * 10; i++, *now_us += TICK_US) {
		if (!budget_due(b, b->interval_us, *now_us, TICK_US))
			continue;
		budget_spent(b, cost_us, 1, 100);
		b->polled_us = *now_us;
		polls++;
	}
	return polls;
}

static void a_cheap_one_is_asked_every_tick(void **state)
{
	struct budget b = { 0 };
	uint64_t now = 1000000;

	assert_int_equal(polls_in(&b, 5, 20, &now), 200);
}

static void a_dear_one_keeps_to_its_budget(void **state)
{
	struct budget b = { 0 };
	uint64_t now = 1000000;
	unsigned polls;

	polls_in(&b, 50, 60, &now);
	polls = polls_in(&b, 50, 20, &now);
	/* 100 us a second, 50 us a poll: 2 a second. */
	assert_in_range(polls, 38, 42);
}

static void the_dearest_is_still_asked_once_a_second(void **state)
{
	struct budget b = { 0 };
	uint64_t now = 1000000;

	assert_true(polls_in(&b, 100000, 20, &now) < 25);
	assert_in_range(polls_in(&b, 100000, 20, &now), 20, 21);
}

static void one_dear_poll_changes_little_and_a_trend_goes_both_ways(void **state)
{
	struct budget b = { 0 };
	uint64_t now = 1000000;

	polls_in(&b, 5, 20, &now);
	budget_spent(&b, 60, 1, 100);
	b.polled_us = now;
	assert_true(b.interval_us < 100000);
	assert_in_range(polls_in(&b, 80, 60, &now), 60, 200);
	polls_in(&b, 5, 120, &now);
	assert_int_equal(polls_in(&b, 5, 10, &now), 100);
}

static void a_probe_of_many_events_is_in_place_part_of_the_time(void **state)
{
	for (int idle = 0; idle < 2; idle++) {
		uint64_t period_us = idle ? DUTY_IDLE_US : DUTY_PRESSED_US;
		uint64_t seen_per_s = idle ? DUTY_IDLE_PER_S : DUTY_PRESSED_PER_S;

		assert_int_equal(duty_cycle_plan(0, idle).off_us, 0);
		assert_int_equal(duty_cycle_plan(seen_per_s, idle).off_us, 0);
		for (uint64_t per_s = seen_per_s + seen_per_s / 100; per_s < UINT64_C(1) << 40;
		     per_s += per_s / 3) {
			struct duty_cycle_plan plan = duty_cycle_plan(per_s, idle);

			assert_int_equal(plan.on_us + plan.off_us, period_us);
			assert_true(plan.off_us > 0 && plan.on_us >= DUTY_MIN_US);
			/* So many are seen a second, or it is in place for as short as may be. */
			assert_true(plan.on_us == DUTY_MIN_US ||
				    plan.on_us * per_s <= period_us * seen_per_s);
		}
	}
	assert_int_equal(duty_cycle_plan(50000, false).off_us, 0);
	assert_int_equal(duty_cycle_plan(50000, true).on_us, 400000);
	assert_int_equal(duty_cycle_plan(500000, false).on_us, 100000);
}

static void what_happened_a_minute_ago_is_forgotten(void **state)
{
	struct minute_count m = { 0 };
	uint64_t now = 5000000000ull;

	assert_int_equal(minute_count_step(&m, 100, now),
			 0); /* what was before is not of this minute */
	assert_int_equal(minute_count_step(&m, 103, now += 100000), 3);
	assert_int_equal(minute_count_step(&m, 104, now += 30000000), 4);
	assert_int_equal(minute_count_step(&m, 104, now += 29000000), 4);
	assert_int_equal(minute_count_step(&m, 104, now += 2000000), 1);
	assert_int_equal(minute_count_step(&m, 104, now += 600000000), 0);
	assert_int_equal(minute_count_step(&m, 2, now += 100000), 0); /* began again */
	assert_int_equal(minute_count_step(&m, 3, now += 100000), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cheap_one_is_asked_every_tick),
		cmocka_unit_test(a_dear_one_keeps_to_its_budget),
		cmocka_unit_test(the_dearest_is_still_asked_once_a_second),
		cmocka_unit_test(one_dear_poll_changes_little_and_a_trend_goes_both_ways),
		cmocka_unit_test(a_probe_of_many_events_is_in_place_part_of_the_time),
		cmocka_unit_test(what_happened_a_minute_ago_is_forgotten),
	};

	return cmocka_run_group_tests_name("budget", tests, NULL, NULL);
}
