#include "cmocka_test.h"

#include <math.h>

#include "core/pressure.h"

static double targets[SIGNAL__COUNT];

static int setup(void **state)
{
	for (int i = 0; i < SIGNAL__COUNT; i++)
		targets[i] = signal_info[i].target;
	return 0;
}

static struct pressure settle(struct pressure_state *s, const struct sample *sample)
{
	struct pressure p;

	for (int i = 0; i < 100; i++)
		pressure_step(s, targets, sample, 0.1, &p);
	return p;
}

static void the_largest_signal_drives(void **state)
{
	struct pressure_state s = { 0 };
	struct sample sample;
	struct pressure p;

	sample_clear(&sample, 1);
	sample_put(&sample, SIGNAL_RUNQ_P99_US, 25000, VIA_BPF);
	sample_put(&sample, SIGNAL_CPU_STALL_RATIO, 0.095, VIA_PSI);
	sample_put(&sample, SIGNAL_MEM_USED_RATIO, 1.9, VIA_PROCFS);
	p = settle(&s, &sample);
	assert_near(p.resource[RESOURCE_CPU], 0.5, 0.001);
	assert_int_equal(p.resource_driver[RESOURCE_CPU], SIGNAL_RUNQ_P99_US);
	assert_int_equal(p.driver, RESOURCE_MEMORY);
	assert_int_equal(p.driver_signal, SIGNAL_MEM_USED_RATIO);
	assert_near(p.combined, 2, 0.01);
}

static void absent_is_not_zero(void **state)
{
	struct pressure_state s = { 0 };
	struct sample sample;
	struct pressure p;

	sample_clear(&sample, 1);
	p = settle(&s, &sample);
	assert_false(p.any_known);
	assert_int_equal(p.driver, RESOURCE__COUNT);
	sample_put(&sample, SIGNAL_IO_STALL_RATIO, 0, VIA_PSI);
	p = settle(&s, &sample);
	assert_true(p.known[RESOURCE_DISK]);
	assert_false(p.known[RESOURCE_MEMORY]);
	/* What comes back after an absence has no past. */
	sample_clear(&sample, 1);
	sample_put(&sample, SIGNAL_IO_STALL_RATIO, 0.95, VIA_PSI);
	settle(&s, &sample);
	sample_clear(&sample, 1);
	settle(&s, &sample);
	sample_put(&sample, SIGNAL_IO_STALL_RATIO, 0.095, VIA_PSI);
	pressure_step(&s, targets, &sample, 0.1, &p);
	assert_near(p.resource[RESOURCE_DISK], 0.1, 0.001);
}

static void a_greet_delay_is_not_overload(void **state)
{
	struct pressure_state s = { 0 };
	struct sample sample;
	struct pressure p;

	/* A server that always waits 6 s before its greeting (postscreen) ... */
	sample_clear(&sample, 1);
	sample_put(&sample, SIGNAL_CONNECT_220_P50_US, 6e6, VIA_FRONT);
	sample_put(&sample, SIGNAL_CONNECT_220_P99_US, 6.1e6, VIA_FRONT);
	p = settle(&s, &sample);
	assert_true(p.resource[RESOURCE_SMTP] < 1);
	/* ... and is 3 s late now. */
	sample_clear(&sample, 1);
	sample_put(&sample, SIGNAL_CONNECT_220_P50_US, 6e6, VIA_FRONT);
	sample_put(&sample, SIGNAL_CONNECT_220_P99_US, 9e6, VIA_FRONT);
	p = settle(&s, &sample);
	assert_true(p.resource[RESOURCE_SMTP] > 1);
}

static void what_an_unloaded_server_takes_is_not_overload(void **state)
{
	struct pressure_state s = { .server_time_base_us = 6e6,
				    .connect_220_base_us = 2e6,
				    .base_seen = true };
	struct sample sample;

	sample_clear(&sample, 1);
	sample_put(&sample, SIGNAL_SERVER_TIME_US, 6.2e6, VIA_FRONT);
	sample_put(&sample, SIGNAL_OLDEST_WAITING_US, 5e6, VIA_BPF);
	assert_true(settle(&s, &sample).resource[RESOURCE_SMTP] < 1);
	sample_clear(&sample, 1);
	sample_put(&sample, SIGNAL_SERVER_TIME_US, 7e6, VIA_FRONT);
	assert_true(settle(&s, &sample).resource[RESOURCE_SMTP] > 1);
	sample_clear(&sample, 1);
	sample_put(&sample, SIGNAL_OLDEST_WAITING_US, 8e6, VIA_BPF);
	assert_true(settle(&s, &sample).resource[RESOURCE_SMTP] > 1);
}

static void nonsense_is_not_put_and_the_first_source_wins(void **state)
{
	struct sample sample;

	sample_clear(&sample, 1);
	assert_false(sample_put(&sample, SIGNAL_RUNQ_P99_US, NAN, VIA_BPF));
	assert_false(sample_put(&sample, SIGNAL_RUNQ_P99_US, INFINITY, VIA_BPF));
	assert_false(sample_put(&sample, SIGNAL_RUNQ_P99_US, -1, VIA_BPF));
	assert_false(sample_has(&sample, SIGNAL_RUNQ_P99_US));
	assert_true(sample_put(&sample, SIGNAL_RUNQ_P99_US, 5, VIA_BPF));
	assert_false(sample_put(&sample, SIGNAL_RUNQ_P99_US, 7, VIA_PROCFS));
	assert_near(sample.value[SIGNAL_RUNQ_P99_US], 5, 0);
	assert_int_equal(sample.via[SIGNAL_RUNQ_P99_US], VIA_BPF);
}

static void names_are_found(void **state)
{
	for (int i = 0; i < SIGNAL__COUNT; i++)
		assert_int_equal(signal_by_name(signal_info[i].name), i);
	assert_int_equal(signal_by_name("nothing"), SIGNAL__COUNT);
}

/* Pressure of a stall ratio, and the greeting's base, by two readings `dt_s` apart. */
static double after(enum signal signal, double first, double second, double dt_s, double *ret_base)
{
	struct pressure_state s = { 0 };
	struct sample sample;
	struct pressure p;

	sample_clear(&sample, 1);
	sample_put(&sample, signal, first, VIA_PROCFS);
	pressure_step(&s, targets, &sample, 0.1, &p);
	sample_clear(&sample, 1);
	sample_put(&sample, signal, second, VIA_PROCFS);
	pressure_step(&s, targets, &sample, dt_s, &p);
	*ret_base = s.connect_220_base_us;
	return p.signal[signal];
}

static void a_signal_is_followed_within_half_a_second(void **state)
{
	double base, target = targets[SIGNAL_RUNQ_P99_US];

	assert_near(after(SIGNAL_RUNQ_P99_US, 0, target, 0.5, &base), 1 - exp(-1), 0.001);
}

static void the_unloaded_greeting_falls_in_seconds_and_rises_in_minutes(void **state)
{
	double base;

	(void)after(SIGNAL_CONNECT_220_P50_US, 1000, 0, 2, &base);
	assert_near(base, 1000 * exp(-1), 1);
	(void)after(SIGNAL_CONNECT_220_P50_US, 0, 1000, 300, &base);
	assert_near(base, 1000 * (1 - exp(-1)), 1);
}

static double together(double cpu, double memory)
{
	struct pressure_state s = { 0 };
	struct sample sample;

	sample_clear(&sample, 1);
	sample_put(&sample, SIGNAL_RUNQ_P99_US, cpu * targets[SIGNAL_RUNQ_P99_US], VIA_BPF);
	sample_put(&sample, SIGNAL_MEM_USED_RATIO, memory * targets[SIGNAL_MEM_USED_RATIO],
		   VIA_PROCFS);
	return settle(&s, &sample).combined;
}

static void two_at_their_targets_are_not_over(void **state)
{
	assert_near(together(1, 1), 1, 0.001);
	assert_near(together(1, 1.5), 1.5, 0.001);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_largest_signal_drives),
		cmocka_unit_test(absent_is_not_zero),
		cmocka_unit_test(a_greet_delay_is_not_overload),
		cmocka_unit_test(what_an_unloaded_server_takes_is_not_overload),
		cmocka_unit_test(nonsense_is_not_put_and_the_first_source_wins),
		cmocka_unit_test(names_are_found),
		cmocka_unit_test(a_signal_is_followed_within_half_a_second),
		cmocka_unit_test(the_unloaded_greeting_falls_in_seconds_and_rises_in_minutes),
		cmocka_unit_test(two_at_their_targets_are_not_over),
	};

	return cmocka_run_group_tests_name("pressure", tests, setup, NULL);
}
