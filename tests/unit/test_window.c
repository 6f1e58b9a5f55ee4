#include "cmocka_test.h"

#include <math.h>
#include <string.h>

#include "base/array.h"
#include "window_world.h"

static void blind_or_without_sight_of_sessions_everything_is_admitted(void **state)
{
	idle_machine();
	traffic(5, 100, 20, 50, 30, 30, SEEN_ALL);
	assert_true(plan.window != PLAN_UNLIMITED);
	blind = true;
	traffic(0.1, 100, 20, 50, 30, 30, SEEN_ALL);
	assert_int_equal(plan.window, PLAN_UNLIMITED);
	assert_int_equal(plan.rate_milli, PLAN_UNLIMITED);
	assert_int_equal(plan.ungreeted_max, PLAN_UNLIMITED);
	assert_int_equal(plan.greeting_timeout_us, 0);
	blind = false;
	traffic(0.1, 100, 20, 50, 30, 30, 0);
	assert_int_equal(plan.window, PLAN_UNLIMITED);
	assert_int_equal(window.view.law, LAW_OPEN);
}

/* The proxy is gone for a moment, and the kernel counts meanwhile, from another beginning. What the
 * proxy has counted in its life is not of one tick. */
static void a_change_of_who_counts_is_no_traffic(void **state)
{
	struct load_service proxy;

	idle_machine();
	traffic(10, 20, 20, 0, 2, 1, SEEN_ALL | LOAD_HELD);
	load.offered += 1000000;
	load.completed += 900000;
	load.deferred += 100000;
	load.busy_us += 1000 * UINT64_C(1000000);
	proxy = load;
	memset(&load, 0, sizeof(load));
	traffic(0.5, 20, 20, 0, 2, 1, SEEN_ALL);
	assert_true(window.view.offered_per_s < 25);
	load = proxy;
	traffic(0.1, 20, 20, 0, 2, 1, SEEN_ALL | LOAD_HELD);
	assert_true(window.view.offered_per_s < 25);
	assert_true(window.view.completed_per_s < 25);
	assert_false(window.view.refusing);
	traffic(1, 20, 20, 0, 2, 1, SEEN_ALL | LOAD_HELD);
	assert_true(window.view.offered_per_s > 15 && window.view.offered_per_s < 25);
}

static void the_law_follows_what_can_be_seen(void **state)
{
	idle_machine();
	traffic(1, 20, 20, 0, 2, 1, SEEN_ALL);
	assert_int_equal(window.view.law, LAW_CAPACITY);
	traffic(1, 20, 20, 0, 2, 1, SEEN_FLIGHT);
	assert_int_equal(window.view.law, LAW_SERVO);
}

static void a_server_over_its_knee_is_cut_to_what_it_completes(void **state)
{
	idle_machine();
	put(SIGNAL_MTA_CPU_CORES, 0.2);
	traffic(20, 20, 20, 0, 2, 1, SEEN_ALL);
	assert_near(window.view.cpu_per_job_s, 0.01, 0.002);
	assert_near(window.view.capacity_per_s, 97, 15);
	put(SIGNAL_CPU_STALL_RATIO, 1);
	put(SIGNAL_MTA_CPU_CORES, 1);
	traffic(10, 500, 50, 450, 60, 60, SEEN_ALL); /* T = 1.2 s */
	assert_near(window.view.capacity_per_s, 50, 5);
	assert_true(window.view.window < 40);
	assert_int_equal(window.view.reason, REASON_CPU);
}

/* They use no CPU and may stay for long. */
static void who_is_stuck_takes_no_place_from_others(void **state)
{
	double before;

	idle_machine();
	traffic(20, 20, 20, 0, 2, 1, SEEN_ALL);
	before = window.view.window;
	load.stuck = 12;
	traffic(20, 20, 20, 0, 14, 1, SEEN_ALL);
	assert_near(window.view.window, before + 12, 1);
	load.stuck = 0;
}

/* The reason is what hangs, and not the CPUs that others press meanwhile. */
static void a_server_that_hangs_on_a_busy_machine_is_not_short_of_cpu(void **state)
{
	idle_machine();
	traffic(20, 20, 20, 0, 2, 1, SEEN_ALL);
	put(SIGNAL_CPU_STALL_RATIO, 1);
	sample.via[SIGNAL_MTA_CPU_CORES] = VIA_NONE;
	traffic(10, 100, 0, 80, 60, 60, SEEN_ALL);
	assert_int_equal(window.view.reason, REASON_SMTP);
	traffic(10, 100, 20, 80, 60, 60, SEEN_ALL);
	assert_int_equal(window.view.reason, REASON_CPU);
	/* unless it is seen to wait for a CPU */
	put(SIGNAL_MTA_CPU_STALL_RATIO, 1);
	traffic(10, 100, 0, 80, 60, 60, SEEN_ALL);
	assert_int_equal(window.view.reason, REASON_CPU);
}

/* The first sessions were lucky: they took a tenth of a second, where a greeting alone takes half
 * of one. Where places are short, greetings wait for these, and say nothing of the server's way. */
static void a_session_takes_as_long_as_its_greeting(void **state)
{
	idle_machine();
	traffic(5, 20, 20, 0, 2, 2, SEEN_ALL);
	assert_near(window.unloaded.time_s, 0.1, 0.02);
	unloaded_220_us = 500000;
	put(SIGNAL_ACCEPT_QUEUE_RATIO, 1);
	traffic(1, 20, 20, 0, 2, 2, SEEN_ALL);
	assert_near(window.unloaded.time_s, 0.1, 0.02);
	put(SIGNAL_ACCEPT_QUEUE_RATIO, 0);
	traffic(1, 20, 20, 0, 2, 2, SEEN_ALL);
	assert_near(window.unloaded.time_s, 0.5, 0.001);
}

static void a_burst_is_what_is_served_within_the_aim(void **state)
{
	idle_machine();
	traffic(20, 20, 20, 0, 2, 1, SEEN_ALL);
	assert_near(window.view.capacity_per_s, 97, 15);
	assert_near((int)plan.burst_milli, 20000, 4000); /* a fifth of a second's */
	assert_true(plan.burst_milli / 1000 <= plan.window);
	put(SIGNAL_CPU_STALL_RATIO, 1);
	put(SIGNAL_MTA_CPU_CORES, 1);
	traffic(5, 1000, 100, 900, 25, 15, SEEN_ALL);
	assert_true(plan.burst_milli < 20000); /* in an overload, .1 s' */
	put(SIGNAL_CPU_STALL_RATIO, 0.1);
	put(SIGNAL_MTA_CPU_CORES, 0.2);
	traffic(5, 20, 20, 0, 2, 1, SEEN_ALL);
	assert_true(plan.burst_milli > 18000); /* and back, soon after it */
}

static void an_accept_queue_counts_once_it_stands(void **state)
{
	idle_machine();
	traffic(20, 20, 20, 0, 2, 1, SEEN_ALL);
	put(SIGNAL_CPU_STALL_RATIO, 0.6);
	put(SIGNAL_MTA_CPU_CORES, 0.5);
	put(SIGNAL_ACCEPT_QUEUE_RATIO, 0.15); /* a step, and the server forks */
	traffic(0.8, 100, 50, 0, 12, 12, SEEN_ALL);
	assert_near(window.view.capacity_per_s, 97, 15);
	traffic(6, 100, 20, 80, 10, 10, SEEN_ALL);
	assert_near(window.view.capacity_per_s, 20, 10);
}

static void no_client_is_refused_late_unless_places_are_short(void **state)
{
	idle_machine();
	unloaded_220_us = 20000;
	traffic(20, 20, 20, 0, 2, 1, SEEN_ALL);
	assert_near((int)plan.greeting_timeout_us, 30060000, 1000);
	load.ungreeted = 10; /* for a slow name server, say: still no client is refused */
	traffic(5, 30, 20, 0, 20, 12, SEEN_ALL);
	assert_near((int)plan.greeting_timeout_us, 30060000, 1000);
	traffic(1, 30, 20, 10, 20, 12,
		SEEN_ALL); /* refused, by whatever limit, on an idle machine */
	assert_near((int)plan.greeting_timeout_us, 30060000, 1000);
	put(SIGNAL_CPU_STALL_RATIO, 1);
	put(SIGNAL_MTA_CPU_CORES, 1);
	traffic(10, 200, 20, 180, 20, 12,
		/* an overload that lasts: the objective, three greetings, and what is waited in
	     * front */
		SEEN_ALL);
	assert_near((int)plan.hold_us, 200000, 1000);
	assert_near((int)plan.greeting_timeout_us, 500000 + 60000 + 200000, 1000);
}

static void a_queue_that_comes_and_goes_may_wait_and_one_that_stands_may_not(void **state)
{
	idle_machine();
	traffic(20, 50, 50, 0, 2, 1, SEEN_ALL);
	put(SIGNAL_MTA_CPU_CORES, 0.97);
	traffic(3, 200, 50, 0, 12, 10,
		SEEN_ALL); /* for three seconds four times as much as 50 or 97 a second */
	assert_near((int)plan.hold_us, 5000000, 1000);
	assert_true(plan.pass_milli >= 50000);
	traffic(3, 30, 50, 0, 12, 10, SEEN_ALL); /* a burst; those in front are carried away */
	assert_near((int)plan.hold_us, 5000000, 1000);
	traffic(5, 120, 50, 0, 12, 10, SEEN_ALL); /* twice what it can do, for good */
	assert_near((int)plan.hold_us, 200000, 1000);
	traffic(1.2, 30, 50, 0, 12, 10, SEEN_ALL); /* and a second after its end */
	assert_near((int)plan.hold_us, 5000000, 1000);
	traffic(1, 3000, 50, 0, 12, 10,
		SEEN_ALL); /* so much that none of it finds a place in time, even if it ends soon */
	assert_near((int)plan.hold_us, 200000, 1000);
}

static void who_only_looks_busy_shuts_nothing_on_an_idle_machine(void **state)
{
	idle_machine();
	unloaded_220_us = 20000;
	for (int i = 0; i < 300; i++) {
		load.finished++;
		load.server_us += 40000; /* each of those that do end took 40 ms of the server */
		traffic(0.1, 10, 10, 0, i < 200 ? 1 : 13, i < 200 ? 1 : 13,
			SEEN_ALL); /* 12 that stall */
	}
	assert_true(window.view.window > 20);
	assert_true(window.view.capacity_per_s > 30);
}

static void nothing_grows_for_a_while_after_a_sensor_was_lost(void **state)
{
	double before;

	idle_machine();
	put(SIGNAL_CONNECT_220_P99_US, 5e6);
	put(SIGNAL_CPU_STALL_RATIO, 1);
	traffic(20, 50, 0, 10, 10, 0, SEEN_FLIGHT);
	before = window.view.window;
	put(SIGNAL_CONNECT_220_P99_US, 1000);
	put(SIGNAL_CPU_STALL_RATIO, 0);
	sample.via[SIGNAL_MTA_CPU_CORES] = VIA_NONE;
	traffic(20, 50, 0, 10, 3 * before, 0, SEEN_FLIGHT);
	assert_true(window.view.window <= 3 * 0.7 * before + 1);
	before = window.view.window;
	traffic(5, 50, 0, 10, before, 0, SEEN_FLIGHT);
	assert_near(window.view.window, before, 0.01);
	traffic(30, 50, 0, 10, before, 0, SEEN_FLIGHT);
	assert_true(window.view.window > before);
}

static void a_sensor_that_is_back_holds_nothing(void **state)
{
	double before;

	idle_machine();
	put(SIGNAL_CONNECT_220_P99_US, 5e6);
	put(SIGNAL_CPU_STALL_RATIO, 1);
	traffic(20, 50, 0, 10, 10, 0, SEEN_FLIGHT);
	put(SIGNAL_CONNECT_220_P99_US, 1000);
	put(SIGNAL_CPU_STALL_RATIO, 0);
	sample.via[SIGNAL_MTA_CPU_CORES] = VIA_NONE;
	traffic(1, 50, 0, 10, 10, 0, SEEN_FLIGHT);
	put(SIGNAL_MTA_CPU_CORES, 0.2);
	before = window.view.window;
	traffic(5, 50, 0, 10, before, 0, SEEN_FLIGHT);
	assert_true(window.view.window > before);
}

static void what_a_message_costs_is_believed_in_a_hold_too(void **state)
{
	idle_machine();
	put(SIGNAL_MTA_CPU_CORES, 0.5);
	traffic(0.5, 50, 50, 0, 1, 0.5, SEEN_ALL);
	sample.via[SIGNAL_CPU_STALL_RATIO] = sample.via[SIGNAL_MTA_CPU_STALL_RATIO] =
		sample.via[SIGNAL_CPU_BUSY_RATIO] = sample.via[SIGNAL_MTA_CPU_CORES] = VIA_NONE;
	traffic(0.1, 50, 50, 0, 1, 0.5, SEEN_ALL);
	put(SIGNAL_MTA_CPU_CORES, 0.5);
	traffic(10, 50, 50, 0, 1, 0.5, SEEN_ALL);
	assert_true(window.view.capacity_per_s < 130); /* 97 a core, and not the guess of 194 */
}

static void who_is_never_greeted_is_told_after_half_a_minute(void **state)
{
	idle_machine();
	put(SIGNAL_OLDEST_WAITING_US, 20e6);
	traffic(5, 2, 0, 0, 10, 10, SEEN_ALL);
	assert_int_equal(plan.greeting_timeout_us, 0); /* a greet wait, DNS lists: not known yet */
	assert_int_equal(plan.ungreeted_max, PLAN_UNLIMITED);
	put(SIGNAL_OLDEST_WAITING_US, 31e6);
	traffic(1, 2, 0, 0, 10, 10, SEEN_ALL);
	assert_int_equal(plan.greeting_timeout_us, 30000000);
	assert_int_equal(plan.ungreeted_max, 5);
	put(SIGNAL_OLDEST_WAITING_US, 1e6); /* they were told; it still greets none */
	traffic(1, 2, 0, 0, 10, 10, SEEN_ALL);
	assert_int_equal(plan.ungreeted_max, 5);
}

/* Each regime by what makes it; nothing else differs between the rows than what stands in them. */
static void the_regime_is_told_by_saturation_server_time_and_what_was_lost(void **state)
{
	static const struct {
		double stall, busy, queue;
		bool lost;
		enum regime regime;
		enum machine machine;
	} rows[] = {
		{ 0.1, 2, 0, false, REGIME_FREE, MACHINE_IDLE },
		{ 0.7, 2, 0, false, REGIME_FREE, MACHINE_LOADED },
		{ 0.92, 2, 0, false, REGIME_FREE, MACHINE_PRESSED },
		{ 0.99, 2, 0, false, REGIME_STEADY, MACHINE_SATURATED },
		{ 0.99, 6, 0, false, REGIME_CLOSING, MACHINE_SATURATED },
		{ 0.99, 60, 0, false, REGIME_OVER, MACHINE_SATURATED },
		{ 0.7, 60, 0, false, REGIME_OVER, MACHINE_LOADED },
		{ 0.7, 4, 0.5, false, REGIME_OVER, MACHINE_LOADED },
		{ 0.7, 2, 0.5, false, REGIME_CAPPED, MACHINE_LOADED },
		{ 0.7, 2, 0, true, REGIME_CAPPED, MACHINE_LOADED },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		setup(state);
		idle_machine();
		put(SIGNAL_MEM_AVAILABLE_BYTES, 1e9);
		traffic(10, 20, 20, 0, 4, 0.2, SEEN_ALL); /* T0 of 10 ms */
		put(SIGNAL_CPU_STALL_RATIO, rows[i].stall);
		put(SIGNAL_ACCEPT_QUEUE_RATIO, rows[i].queue);
		if (rows[i].lost)
			sample.via[SIGNAL_MEM_AVAILABLE_BYTES] = VIA_NONE;
		traffic(10, 20, 20, 0, 80, rows[i].busy, SEEN_ALL);
		assert_int_equal(window.view.regime, rows[i].regime);
		assert_int_equal(window.view.machine, rows[i].machine);
		assert_int_equal(window.view.server, rows[i].queue > 0 ? SERVER_SHORT_OF_SLOTS : 0);
	}
	traffic(0.1, 20, 20, 0, 80, 2, SEEN_FLIGHT); /* the servo has none */
	assert_int_equal(window.view.regime, REGIME_NONE);
}

static void what_stands_for_the_server_is_told_in_words(void **state)
{
	char buf[SERVER_NAMES_MAX];

	assert_string_equal(server_names(0, buf), "serves");
	assert_string_equal(server_names(SERVER_GREETS_LATE, buf), "greets late");
	assert_string_equal(server_names(SERVER_SHORT_OF_SLOTS | SERVER_HANGS, buf),
			    "short of slots + hangs");
	assert_true(strlen(server_names(UINT32_MAX, buf)) < SERVER_NAMES_MAX);
	assert_string_equal(machine_name(MACHINE_PRESSED), "pressed");
	assert_string_equal(regime_name(REGIME_STEADY), "steady");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(
			the_regime_is_told_by_saturation_server_time_and_what_was_lost, setup),
		cmocka_unit_test_setup(what_stands_for_the_server_is_told_in_words, setup),
		cmocka_unit_test_setup(blind_or_without_sight_of_sessions_everything_is_admitted,
				       setup),
		cmocka_unit_test_setup(a_change_of_who_counts_is_no_traffic, setup),
		cmocka_unit_test_setup(the_law_follows_what_can_be_seen, setup),
		cmocka_unit_test_setup(a_server_over_its_knee_is_cut_to_what_it_completes, setup),
		cmocka_unit_test_setup(a_server_that_hangs_on_a_busy_machine_is_not_short_of_cpu,
				       setup),
		cmocka_unit_test_setup(a_session_takes_as_long_as_its_greeting, setup),
		cmocka_unit_test_setup(a_burst_is_what_is_served_within_the_aim, setup),
		cmocka_unit_test_setup(an_accept_queue_counts_once_it_stands, setup),
		cmocka_unit_test_setup(no_client_is_refused_late_unless_places_are_short, setup),
		cmocka_unit_test_setup(
			a_queue_that_comes_and_goes_may_wait_and_one_that_stands_may_not, setup),
		cmocka_unit_test_setup(who_only_looks_busy_shuts_nothing_on_an_idle_machine, setup),
		cmocka_unit_test_setup(nothing_grows_for_a_while_after_a_sensor_was_lost, setup),
		cmocka_unit_test_setup(a_sensor_that_is_back_holds_nothing, setup),
		cmocka_unit_test_setup(what_a_message_costs_is_believed_in_a_hold_too, setup),
		cmocka_unit_test_setup(who_is_never_greeted_is_told_after_half_a_minute, setup),
		cmocka_unit_test_setup(who_is_stuck_takes_no_place_from_others, setup),
	};

	return cmocka_run_group_tests_name("window", tests, NULL, NULL);
}
