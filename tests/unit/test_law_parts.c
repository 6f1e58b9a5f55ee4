#include "cmocka_test.h"

#include <math.h>

#include "law_part_world.h"
#include "publish/words.h"

/* Each noun of the law by itself (core/window_parts.h): a small state, and a tick as it sees it.
 * What they do together is in test_window.c. */
static int setup(void **state)
{
	tick_init();
	return 0;
}

static void put(enum signal signal, double value)
{
	sample.value[signal] = value;
	sample.via[signal] = VIA_PSI;
}

static void saturation_is_the_worst_stall_as_far_as_several_cores_are_used(void **state)
{
	struct saturation s = { .share = -1 };

	saturation_step(&s, &tick);
	assert_true(tick.saturation == -1); /* nothing is seen: that is not idle */
	assert_int_equal(machine_by(tick.saturation), MACHINE_UNSEEN);
	put(SIGNAL_CPU_STALL_RATIO, .9);
	put(SIGNAL_CPU_BUSY_RATIO, .465);
	put(SIGNAL_IO_STALL_RATIO, .3);
	saturation_step(&s, &tick);
	assert_near(tick.saturation, .5, 1e-9); /* half of what is full use of four cores */
	put(SIGNAL_IO_STALL_RATIO, 1);
	for (int i = 0; i < 100; i++)
		saturation_step(&s, &tick);
	assert_near(tick.saturation, 1, 1e-6);
}

static void the_machine_has_a_word_for_each_range_of_saturation(void **state)
{
	assert_int_equal(machine_by(0), MACHINE_IDLE);
	assert_int_equal(machine_by(.5), MACHINE_LOADED);
	assert_int_equal(machine_by(.9), MACHINE_PRESSED);
	assert_int_equal(machine_by(.95), MACHINE_SATURATED);
}

static void a_server_without_a_free_slot_does_not_greet_late_on_purpose(void **state)
{
	struct greeting greeting = { 0 };

	tick.machine = MACHINE_IDLE;
	load.known = LOAD_UNGREETED;
	load.ungreeted = load.busy = rates.busy = 10;
	assert_int_equal(greeting_step(&greeting, &tick, &rates), SERVER_GREETS_LATE);
	put(SIGNAL_ACCEPT_QUEUE_RATIO, .2);
	assert_int_equal(greeting_step(&greeting, &tick, &rates), SERVER_SHORT_OF_SLOTS);
}

/* 40 a second wait half a second each. Twice as many, and a few for chance, are more than usual. */
static void what_a_greeting_usually_takes_is_learned_while_nothing_tells_of_an_overload(
	void **state)
{
	struct greeting greeting = { 0 };

	tick.machine = MACHINE_LOADED;
	load.known = LOAD_UNGREETED;
	load.in_flight = 100;
	load.ungreeted = 20;
	rates.admitted = 40;
	for (int i = 0; i < 1000; i++)
		greeting_step(&greeting, &tick, &rates);
	assert_near(greeting.usual_s, .5, .01);
	tick.greeting_usual_s = .5;
	load.ungreeted = 38;
	assert_false(observed_greetings_wait(&tick, &rates));
	load.ungreeted = 39;
	assert_true(observed_greetings_wait(&tick, &rates));
	for (int i = 0; i < 4; i++) {
		tick.refusing = i == 0;
		tick.machine = i == 1 ? MACHINE_PRESSED : MACHINE_LOADED;
		rates.admitted = i == 2 ? 0 : 40;
		if (i == 3)
			put(SIGNAL_ACCEPT_QUEUE_RATIO, .2);
		greeting_step(&greeting, &tick, &rates);
		assert_near(greeting.usual_s, .5, .01);
	}
}

static void an_input_that_is_lost_stops_growth_until_it_is_back(void **state)
{
	struct growth_freeze freeze = { 0 };

	tick.saturation = .2;
	assert_false(growth_freeze_step(&freeze, &tick, LAW_CAPACITY));
	tick.saturation = -1;
	assert_true(growth_freeze_step(&freeze, &tick, LAW_CAPACITY));
	input.now_us += 1000000;
	assert_true(growth_freeze_step(&freeze, &tick, LAW_CAPACITY));
	tick.saturation = .2;
	assert_false(growth_freeze_step(&freeze, &tick, LAW_CAPACITY));
}

static void what_a_nearly_shut_window_shows_is_no_queue(void **state)
{
	struct unloaded unloaded = { .rest_s = .1, .time_s = .1, .seen = true };
	struct knee knee = { .over_s = 1 };
	bool confined;

	tick.machine = MACHINE_IDLE;
	tick.refusing = true;
	rates = (struct rates){ .completed = 2, .admitted = 2, .busy = 2, .jobs = 1000 };
	unloaded_step(&unloaded, &tick, &rates, &knee, 0, &confined);
	assert_false(confined); /* with a hundred places it may be one */
	assert_near(unloaded.rest_s, .1, 1e-9);
	before.window = 4;
	unloaded_step(&unloaded, &tick, &rates, &knee, 0, &confined);
	assert_true(confined);
	assert_true(unloaded.rest_s > .1);
	unloaded_step(&unloaded, &tick, &rates, &knee, 3, &confined);
	assert_near(unloaded.time_s, 3, 1e-9); /* a commit takes longer still */
	rates.admitted =
		THROUGH_SHARE * rates.completed / 2; /* what ends came before it was shut */
	unloaded_step(&unloaded, &tick, &rates, &knee, 0, &confined);
	assert_false(confined);
}

static void what_a_job_costs_is_not_learned_while_the_server_drains(void **state)
{
	struct job job = { .completed = 10, .cpu = 1, .io = .5, .cost = .1 };
	double cost;

	put(SIGNAL_MTA_CPU_CORES, .01);
	tick.completed = 10;
	tick.io = .1;
	rates = (struct rates){ .completed = 10, .admitted = 2, .jobs = 1000 };
	job_step(&job, &tick, &rates, 10, &cost);
	assert_near(cost, .1, 1e-9);
	assert_near(job.io, .5, 1e-9);
	rates.admitted = 3;
	job_step(&job, &tick, &rates, 10, &cost);
	assert_true(cost < .1);
	assert_true(job.io < .5);
	job.cost = 0; /* nothing is known: anything is better */
	rates.admitted = 2;
	job_step(&job, &tick, &rates, 10, &cost);
	assert_true(cost > 0);
}

static void nobody_is_let_in_past_a_full_window_while_sessions_may_queue(void **state)
{
	tick.machine = MACHINE_IDLE;
	rates = (struct rates){
		.completed = 10, .admitted = 10, .busy = 100, .done = 10, .done_time = 1
	};
	assert_true(unloaded_lets_in(&tick, &rates));
	tick.may_queue = true;
	assert_false(unloaded_lets_in(&tick, &rates));
	tick.may_queue = false;
	tick.cpu = .9; /* a crowd has just come, and the smoothed saturation does not show it yet */
	assert_false(unloaded_lets_in(&tick, &rates));
	tick.believed = true; /* but T is long, and believed to be a delay */
	assert_true(unloaded_lets_in(&tick, &rates));
	tick.machine = MACHINE_LOADED;
	assert_false(unloaded_lets_in(&tick, &rates));
}

static void the_regime_follows_from_five_inputs(void **state)
{
	struct knee knee = { 0 };

	rates.busy = 10;
	tick.time = .05;
	tick.machine = MACHINE_LOADED;
	assert_int_equal(regime_step(&knee, &tick, &rates, .4, .1), REGIME_FREE);
	tick.growth_frozen = true;
	assert_int_equal(regime_step(&knee, &tick, &rates, .4, .1), REGIME_CAPPED);
	tick.machine = MACHINE_SATURATED;
	assert_int_equal(regime_step(&knee, &tick, &rates, .4, .1), REGIME_STEADY);
	tick.time = .2;
	assert_int_equal(regime_step(&knee, &tick, &rates, .4, .1), REGIME_CLOSING);
	tick.time = 1;
	assert_int_equal(regime_step(&knee, &tick, &rates, .4, .1), REGIME_CLOSING);
	for (int i = 0; i < 100; i++)
		regime_step(&knee, &tick, &rates, .4, .1);
	assert_int_equal(regime_step(&knee, &tick, &rates, .4, .1), REGIME_OVER);
	rates.busy = 2; /* so few are no queue */
	assert_int_equal(regime_step(&knee, &tick, &rates, .4, .1), REGIME_STEADY);
}

/* Ticks in which so many a second are completed, with ten sessions that wait; returns the last. */
static enum stopped stopped_after(struct stop *stop, struct capacity *c, struct job *job,
				  double seconds, double completed)
{
	enum stopped stopped = STOPPED_NOT;

	tick.completed = completed;
	rates.busy = 10;
	for (int i = 0; i < (int)(seconds / tick.dt + .5); i++) {
		rates.completed += (completed - rates.completed) * tick.dt;
		stopped = stop_step(stop, &tick, &rates, c, job);
		if (stopped != STOPPED_NOT) /* as window_step() does */
			*job = stop->job;
		if (stopped == STOPPED_SHORTLY)
			*c = stop->capacity;
	}
	return stopped;
}

static void a_server_that_stops_for_seconds_keeps_its_capacity(void **state)
{
	struct stop stop = { 0 };
	struct capacity c = { .per_s = 97, .trust = 1, .lag_s = .4, .completed_lag = 50 };
	struct job job = { .cost = .01 };

	assert_int_equal(stopped_after(&stop, &c, &job, 5, 50), STOPPED_NOT);
	assert_int_equal(stopped_after(&stop, &c, &job, .9, 0), STOPPED_NOT); /* that is chance */
	c.per_s = c.completed_lag = 20; /* what it completes falls */
	job.cost = .04;
	assert_int_equal(stopped_after(&stop, &c, &job, 1, 0), STOPPED_SHORTLY);
	assert_near(c.per_s, 97, 1e-9);
	assert_near(c.completed_lag, 50, 1e-9);
	assert_near(job.cost, .01, 1e-9);
	assert_int_equal(stopped_after(&stop, &c, &job, 2, 0), STOPPED_LONG);
	c.per_s = c.completed_lag = 20;
	job.cost = .04;
	assert_int_equal(stopped_after(&stop, &c, &job, 4, 0), STOPPED_LONG);
	assert_near(c.per_s, 20, 1e-9);
	assert_near(job.cost, .01, 1e-9); /* without jobs nothing is learned of the CPU of one */
}

static void a_stop_that_ended_tells_how_long_the_next_may_last(void **state)
{
	struct stop stop = { 0 };
	struct capacity c = { .per_s = 97, .trust = 1, .lag_s = .4, .completed_lag = 50 };
	struct job job = { .cost = .01 };

	stopped_after(&stop, &c, &job, 5, 50);
	assert_int_equal(stopped_after(&stop, &c, &job, 8, 0), STOPPED_LONG);
	assert_int_equal(stopped_after(&stop, &c, &job, 9, 50), STOPPED_NOT);
	assert_int_equal(stopped_after(&stop, &c, &job, 15, 0), STOPPED_SHORTLY);
	assert_int_equal(stopped_after(&stop, &c, &job, 2, 0), STOPPED_LONG);
	/* Whatever it went on after, a stop of half a minute is a hang. */
	assert_int_equal(stopped_after(&stop, &c, &job, 100, 0), STOPPED_LONG);
	stopped_after(&stop, &c, &job, 120, 50);
	assert_int_equal(stopped_after(&stop, &c, &job, 29, 0), STOPPED_SHORTLY);
	assert_int_equal(stopped_after(&stop, &c, &job, 2, 0), STOPPED_LONG);
}

static void a_server_has_gone_on_once_it_has_served_for_as_long_as_it_had_stopped(void **state)
{
	struct stop stop = { 0 };
	struct capacity c = { .per_s = 97, .trust = 1, .lag_s = .4, .completed_lag = 50 };
	struct job job = { .cost = .01 };

	stopped_after(&stop, &c, &job, 5, 50);
	stopped_after(&stop, &c, &job, 8, 0);
	/* Those who were inside are done at once; it does nothing for those who came after them. */
	assert_int_equal(stopped_after(&stop, &c, &job, .5, 50), STOPPED_NOT);
	assert_int_equal(stopped_after(&stop, &c, &job, 2, 0), STOPPED_LONG);
	stopped_after(&stop, &c, &job, 5, 50); /* that is too short */
	assert_int_equal(stopped_after(&stop, &c, &job, 2, 0), STOPPED_LONG);
	/* Also the time between few completions is time in which it serves. */
	for (int i = 0; i < 20; i++) {
		stopped_after(&stop, &c, &job, .1, 10);
		stopped_after(&stop, &c, &job, .4, 0);
	}
	stopped_after(&stop, &c, &job, 1, 50);
	assert_int_equal(stopped_after(&stop, &c, &job, 15, 0), STOPPED_SHORTLY);
}

static void a_server_that_no_client_uses_has_not_stopped(void **state)
{
	struct stop stop = { 0 };
	struct capacity c = { .per_s = 97 };
	struct job job = { .cost = .01 };

	stopped_after(&stop, &c, &job, 5, 50);
	rates.busy = rates.completed = tick.completed = 0;
	for (int i = 0; i < 3600; i++)
		assert_int_equal(stop_step(&stop, &tick, &rates, &c, &job), STOPPED_NOT);
	/* a crowd */
	assert_int_equal(stopped_after(&stop, &c, &job, .9, 0), STOPPED_NOT);
	assert_int_equal(stopped_after(&stop, &c, &job, 1, 0), STOPPED_SHORTLY);
	stopped_after(&stop, &c, &job, 20, 0); /* it hangs, and the clients leave */
	rates.busy = 0;
	assert_int_equal(stop_step(&stop, &tick, &rates, &c, &job), STOPPED_NOT);
	assert_int_equal(stopped_after(&stop, &c, &job, .9, 0), STOPPED_NOT); /* others come */
}

static void a_slow_server_has_not_stopped(void **state)
{
	struct stop stop = { 0 };
	struct capacity c = { .per_s = 97, .trust = 1, .lag_s = .4, .completed_lag = 50 };
	struct job job = { .cost = .01 };

	/* Those who ended were in a commit for 2 s. */
	rates.done = 50;
	rates.done_time = 100;
	stopped_after(&stop, &c, &job, 5, 50);
	assert_int_equal(stopped_after(&stop, &c, &job, 2.9, 0), STOPPED_NOT);
	assert_int_equal(stopped_after(&stop, &c, &job, .3, 0), STOPPED_SHORTLY);
	/* After a step of the load those who ended were quick; 100 are busy, at 50 a second. */
	rates.done_time = 1;
	stop = (struct stop){ 0 };
	stopped_after(&stop, &c, &job, 5, 50);
	rates.busy = 100;
	rates.completed = 50;
	stop_step(&stop, &tick, &rates, &c, &job);
	assert_int_equal(stopped_after(&stop, &c, &job, 2.9, 0), STOPPED_NOT);
	rates.done = rates.done_time = 0;
}

static void a_server_that_completes_a_few_has_not_stopped(void **state)
{
	struct stop stop = { 0 };
	struct capacity c = { .per_s = 97, .trust = 1, .lag_s = .4, .completed_lag = 50 };
	struct job job = { .cost = .01 };

	stopped_after(&stop, &c, &job, 5, 50);
	stopped_after(&stop, &c, &job, 2, 0);
	c.per_s = c.completed_lag = 2;
	for (int i = 0; i < 30; i++) { /* one each half second: that is what it can do now */
		assert_int_equal(stopped_after(&stop, &c, &job, .1, 10), STOPPED_NOT);
		assert_int_equal(stopped_after(&stop, &c, &job, .4, 0), STOPPED_NOT);
	}
	assert_near(c.per_s, 2, 1e-9);
}

static void without_a_completion_nothing_is_known_that_a_stop_could_keep(void **state)
{
	struct stop stop = { 0 };
	struct capacity c = { .per_s = 97, .trust = 1, .lag_s = .4 };
	struct job job = { .cost = .01 };

	assert_int_equal(stopped_after(&stop, &c, &job, 60, 0), STOPPED_NOT);
	assert_near(c.per_s, 97, 1e-9);
}

static double capacity_after(double per_s, enum regime regime, double promised)
{
	struct capacity c = { .per_s = per_s, .trust = 1, .lag_s = .4, .completed_lag = 50 };

	for (int i = 0; i < 600; i++)
		capacity_step(&c, &tick, &rates, regime, promised, .1);
	return c.per_s;
}

static void capacity_goes_where_the_regime_says(void **state)
{
	rates.completed = rates.completed_slow = 50;
	tick.machine = MACHINE_SATURATED;
	assert_near(capacity_after(100, REGIME_FREE, 200), 200, .1);
	assert_near(capacity_after(100, REGIME_CAPPED, 200), 100, 1e-9);
	assert_near(capacity_after(300, REGIME_CAPPED, 200), 200, .1);
	assert_near(capacity_after(100, REGIME_STEADY, 200), 100, 1e-9);
	assert_near(capacity_after(100, REGIME_CLOSING, 200), 50, .1);
	assert_near(capacity_after(100, REGIME_OVER, 200), 50, .1);
	/* In every regime it is at least what is completed. */
	assert_near(capacity_after(20, REGIME_STEADY, 200), 50, 1e-9);
}

static void think_time_is_a_guess_until_sessions_have_ended(void **state)
{
	struct think think = { .guess = .7 };
	struct capacity capacity = { .per_s = 100, .completed_lag = 100 };

	assert_near(think_step(&think, &tick, &rates, &capacity, .2), .7, 1e-9);
	tick.thought = 30; /* seconds a second, */
	tick.completed = 100; /* by so many */
	rates.jobs = 1000;
	for (int i = 0; i < 600; i++)
		think_read(&think, &tick);
	assert_near(think_step(&think, &tick, &rates, &capacity, .2), .3, 1e-6);
}

/* 40 sessions are open of which none is busy, and 10 a second pass: 4 s less the .2 s that are
 * known. Of that a half-second sees 63 %. */
static void the_think_time_of_open_sessions_is_followed_in_half_a_second(void **state)
{
	struct think think = { .guess = .2 };
	struct capacity capacity = { .per_s = 10, .completed_lag = 10 };
	double z = 0;

	tick.refusing = true;
	tick.dt = .01;
	load.in_flight = 40;
	for (int i = 0; i < 50; i++)
		z = think_step(&think, &tick, &rates, &capacity, .2);
	assert_in_range((z - .2) * 1000, 3800 * .60, 3800 * .66);
}

/* A bound that was learned while the server was over its knee is forgotten to 63 % in 20 s, and in
 * a minute while connections are refused. */
static void a_bound_of_the_servers_own_is_forgotten_in_twenty_seconds(void **state)
{
	for (int refusing = 0; refusing <= 1; refusing++) {
		struct capacity c = { .per_s = 100, .trust = .5, .lag_s = .4 };

		tick.refusing = refusing;
		for (int i = 0; i < (refusing ? 600 : 200); i++)
			capacity_step(&c, &tick, &rates, REGIME_FREE, 200, .1);
		assert_in_range(c.trust * 1000, 810, 822);
	}
}

/* At ten times the capacity two fifths of the room (2 s of capacity) are filled in .22 s. From then
 * on clients may hardly wait. */
static void a_steep_load_may_fill_two_fifths_of_the_room(void **state)
{
	struct patience patience = { .offered = 1000 };
	struct capacity capacity = { .per_s = 100, .completed_lag = 100, .lag_s = .4 };
	double wait_s[30];

	config.wait_objective_us = 5000000;
	before.passing_per_s = 100;
	tick.offered = 1000;
	tick.dt = .01;
	for (int i = 0; i < 30; i++)
		wait_s[i] = patience_step(&patience, &tick, &capacity);
	assert_near(wait_s[19], 5, 1e-9);
	assert_true(wait_s[25] < 1);
}

static void the_plan_follows_from_the_view_alone(void **state)
{
	struct window_view view = { .law = LAW_CAPACITY,
				    .window = 25.6,
				    .capacity_per_s = 100,
				    .completed_per_s = 80,
				    .target_time_s = .1,
				    .patience_s = 5,
				    .passing_per_s = 90,
				    .reason = REASON_CPU };
	struct plan_service plan = { 0 };

	window_plan(&view, &tick, &plan);
	assert_int_equal(plan.window, 26);
	assert_int_equal(plan.reason, REASON_CPU);
	assert_int_equal(plan.burst_milli, 10000); /* what is served within the aim */
	assert_int_equal(plan.hold_us, 5000000);
	assert_int_equal(plan.pass_milli, 90000);
	view.hard_binds = true; /* a full disk: no place comes free by waiting */
	view.reason = REASON_DISK;
	window_plan(&view, &tick, &plan);
	assert_int_equal(plan.hold_us, 0);
	view.law = LAW_SERVO; /* knows no rate, and so bounds none */
	window_plan(&view, &tick, &plan);
	assert_int_equal(plan.rate_milli, PLAN_UNLIMITED);
	assert_int_equal(plan.ungreeted_max, PLAN_UNLIMITED);
}

/* 29.98 was shown as 29 beside 30 sessions in flight. */
static void a_window_is_shown_as_fronts_have_it(void **state)
{
	static const double windows[] = { 0, 0.4, 4, 29.4, 29.5, 29.98, 30.49, 1e6 + 0.7 };
	struct window_view view = { .law = LAW_SERVO };
	struct plan_service plan = { 0 };

	for (unsigned i = 0; i < sizeof(windows) / sizeof(windows[0]); i++) {
		view.window = windows[i];
		window_plan(&view, &tick, &plan);
		assert_true(words_window(windows[i]) == plan.window);
	}
	assert_true(words_window(-1) == -1);
}

#define TEST(f) cmocka_unit_test_setup(f, setup)

/* By the I/O of the groups, with what the journal writes for them; by CPU time only where that is
 * not known. */
static void a_disk_pressed_by_others(void **state)
{
	static const struct {
		double mail, neighbour; /* MB a second; -1: not known */
		bool theirs;
	} cases[] = {
		{ 1, 10, true },  { 10, 1, false },
		{ 9, 10, false }, { 1, -1, false }, /* others do none that counts */
		{ 0, 10, true },  { 0, -1, true }, /* no I/O is counted; mail uses no CPU */
		{ -1, 10, true },
	};
	struct pressure pressure = { .any_known = true, .driver = RESOURCE_DISK, .combined = 2 };

	input.pressure = &pressure;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct foreign foreign = { 0 };
		struct capacity capacity = { 0 };
		bool theirs = false;

		sample_clear(&sample, 1000000);
		put(SIGNAL_MTA_CPU_CORES, .1);
		put(SIGNAL_CPU_BUSY_RATIO, 1);
		if (cases[i].mail >= 0)
			put(SIGNAL_MTA_IO_COST_BYTES_PER_S, cases[i].mail * 1e6);
		if (cases[i].neighbour >= 0)
			put(SIGNAL_NEIGHBOUR_IO_BYTES_PER_S, cases[i].neighbour * 1e6);
		for (int t = 0; t < 100; t++, input.now_us += 100000)
			theirs = foreign_step(&foreign, &tick, &rates, &capacity);
		assert_int_equal(theirs, cases[i].theirs);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(saturation_is_the_worst_stall_as_far_as_several_cores_are_used),
		TEST(the_machine_has_a_word_for_each_range_of_saturation),
		TEST(a_server_without_a_free_slot_does_not_greet_late_on_purpose),
		TEST(what_a_greeting_usually_takes_is_learned_while_nothing_tells_of_an_overload),
		TEST(an_input_that_is_lost_stops_growth_until_it_is_back),
		TEST(what_a_nearly_shut_window_shows_is_no_queue),
		TEST(what_a_job_costs_is_not_learned_while_the_server_drains),
		TEST(nobody_is_let_in_past_a_full_window_while_sessions_may_queue),
		TEST(the_regime_follows_from_five_inputs),
		TEST(a_server_that_stops_for_seconds_keeps_its_capacity),
		TEST(a_stop_that_ended_tells_how_long_the_next_may_last),
		TEST(a_server_has_gone_on_once_it_has_served_for_as_long_as_it_had_stopped),
		TEST(a_server_that_no_client_uses_has_not_stopped),
		TEST(a_slow_server_has_not_stopped),
		TEST(a_server_that_completes_a_few_has_not_stopped),
		TEST(without_a_completion_nothing_is_known_that_a_stop_could_keep),
		TEST(capacity_goes_where_the_regime_says),
		TEST(think_time_is_a_guess_until_sessions_have_ended),
		TEST(the_think_time_of_open_sessions_is_followed_in_half_a_second),
		TEST(a_bound_of_the_servers_own_is_forgotten_in_twenty_seconds),
		TEST(a_steep_load_may_fill_two_fifths_of_the_room),
		TEST(the_plan_follows_from_the_view_alone),
		cmocka_unit_test_setup(a_disk_pressed_by_others, setup),
		TEST(a_window_is_shown_as_fronts_have_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
