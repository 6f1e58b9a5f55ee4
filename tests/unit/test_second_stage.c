/* The filter behind the queue: what is learned of it, when it binds, and that what explain prints
 * gives the window. */
#include "cmocka_test.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "core/engine.h"
#include "core/law.h"
#include "core/second_stage.h"
#include "publish/explain.h"

static struct second_stage stage;
static struct second_stage_view view;
static struct sample sample;
static struct second_stage_input in;

static int setup(void **state)
{
	memset(&stage, 0, sizeof(stage));
	sample_clear(&sample, 1000000);
	in = (struct second_stage_input){
		.sample = &sample, .dt_s = 0.1, .saturation = 0.3, .cores = 1, .target_s = 60
	};
	return 0;
}

/* So many messages a second are taken, server and filter use so many cores, so many connections
 * stand in the filter's accept queue. */
static void seconds(unsigned n, double jobs, double server, double filter, double queued)
{
	in.jobs_per_s = jobs;
	sample_clear(&sample, 1000000);
	sample_put(&sample, SIGNAL_MTA_CPU_CORES, server, VIA_CGROUP);
	sample_put(&sample, SIGNAL_FILTER_CPU_CORES, filter, VIA_CGROUP);
	sample_put(&sample, SIGNAL_FILTER_QUEUE_COUNT, queued, VIA_SOCK_DIAG);
	for (unsigned i = 0; i < 10 * n; i++)
		second_stage_step(&stage, &in, &view);
}

static void without_a_filter_nothing_binds(void **state)
{
	in.jobs_per_s = 100;
	for (int i = 0; i < 600; i++)
		second_stage_step(&stage, &in, &view);
	assert_false(view.known);
	assert_true(view.allowed_per_s < 0);
	/* One that uses next to no CPU tells nothing of what leaves it. */
	seconds(60, 100, .5, 1e-5, 0);
	assert_false(view.known);
	assert_true(view.allowed_per_s < 0);
}

static void what_a_message_costs_is_learned_while_it_keeps_up(void **state)
{
	seconds(30, 10, .1, .4, 0);
	assert_true(view.known && view.keeps_up);
	assert_near(view.cost_s, .04, .001);
	assert_near(view.server_cost_s, .01, .001);
	assert_true(view.allowed_per_s < 0);
	/* The CPUs are pressed: what its CPU does not explain is behind, and F stays. */
	in.saturation = 1;
	seconds(10, 80, .8, .2, 0);
	assert_false(view.keeps_up);
	assert_near(view.cost_s, .04, .001);
	assert_near(view.leaving_per_s, 5, .1);
	assert_true(view.behind > 700 && view.behind < 800);
	assert_near(view.carries_per_s, .97 / .05, .5);
	/* What is over the bound would take too long: no less than half is let in. */
	assert_near(view.behind_max, 4 * view.carries_per_s, .1);
	assert_true(view.allowed_per_s == view.carries_per_s / 2);
	/* It keeps up again: nothing is behind. */
	in.saturation = 0.3;
	seconds(10, 8, .08, .32, 0);
	assert_true(view.keeps_up && view.behind == 0 && view.allowed_per_s < 0);
}

static void the_beginning_of_an_overload_is_not_learned(void **state)
{
	seconds(30, 10, .1, .4, 0);
	/* Messages come, and neither the stall nor the filter's CPU shows it yet. */
	seconds(1, 80, .1, .4, 0);
	in.saturation = 1;
	seconds(20, 80, .7, .3, 0);
	assert_near(view.cost_s, .04, .0005);
	/* Few are let in, so they do not stall: the filter is behind all the same. */
	in.saturation = .1;
	seconds(20, 18, .18, .75, 0);
	assert_false(view.keeps_up);
	assert_true(view.behind > 1000 && view.allowed_per_s > 0);
	assert_near(view.cost_s, .04, .0005);
}

static void what_is_behind_is_worked_off(void **state)
{
	seconds(30, 10, .1, .4, 0);
	in.saturation = 1;
	seconds(2, 100, .6, .35, 0);
	/* 4 s of 19.4 a second may be behind, and the others leave in a minute. */
	assert_true(view.behind > 130 && view.behind < 200);
	assert_near(view.allowed_per_s, view.carries_per_s - (view.behind - view.behind_max) / 60,
		    .01);
}

static void the_cpus_that_server_and_filter_share_are_the_servers(void **state)
{
	in.cores = 8;
	seconds(30, 10, .1, .4, 0);
	in.saturation = 1;
	for (int i = 0; i < 100; i++) {
		seconds(0, 80, .7, .3, 0);
		sample_put(&sample, SIGNAL_MTA_CORES, 1, VIA_CGROUP);
		second_stage_step(&stage, &in, &view);
	}
	assert_near(view.carries_per_s, .97 / (.04 + view.server_cost_s), .1);
}

/* 18 a second come, and the filter does .2 cores' worth of them: for so long that some are
 * behind. */
static void fall_behind(void)
{
	seconds(30, 10, .1, .4, 0);
	in.saturation = 1;
	seconds(15, 40, .8, .2, 0);
	assert_true(view.behind > 400 && !view.keeps_up);
	in.saturation = .3;
}

static void cpu_that_is_left_shows_that_nothing_is_behind(void **state)
{
	fall_behind();
	seconds(10, 20, .17, .68, 0);
	assert_true(view.behind > 400);
	/* The rates follow within a second. Then it takes two more. */
	seconds(1, 20, .10, .66, 0);
	for (int i = 0; i < 10; i++)
		second_stage_step(&stage, &in, &view);
	assert_true(view.behind > 400);
	seconds(2, 20, .10, .66, 0);
	assert_true(view.behind == 0 && view.keeps_up);
}

static void neighbours_that_take_the_cpu_that_is_left_hide_it(void **state)
{
	fall_behind();
	for (int i = 0; i < 100; i++) {
		seconds(0, 10, .05, .30, 0);
		sample_put(&sample, SIGNAL_CPU_BUSY_RATIO, 1, VIA_PROCFS);
		second_stage_step(&stage, &in, &view);
	}
	assert_true(view.behind > 400);
}

static void what_a_message_costs_is_followed(void **state)
{
	seconds(90, 10, .1, .3, 0);
	assert_near(view.cost_s, .03, .0005);
	seconds(24, 10, .1, .5, 0);
	/* Up to four seconds late, over half a minute: .02 x (1 - exp(-20/30)) more, or a little
	 * more. */
	assert_true(view.cost_s > .0385 && view.cost_s < .0415);
}

static void a_standing_accept_queue_is_the_witness_on_an_idle_machine(void **state)
{
	seconds(30, 10, .1, .4, 0);
	in.cores = 8;
	seconds(10, 12, .12, .48, 0);
	assert_true(view.allowed_per_s < 0);
	/* It carries 20 a second; 15 s of that may be behind, and not more. */
	seconds(12, 40, .4, .8, 18);
	assert_false(view.keeps_up);
	assert_true(view.allowed_per_s < 0);
	seconds(10, 40, .4, .8, 18);
	assert_true(view.allowed_per_s > 17 && view.allowed_per_s < 20);
	/* Where the operator leaves the queue out of the decision, the filter is, too. */
	in.target_s = 0;
	seconds(1, 40, .4, .8, 18);
	assert_true(view.allowed_per_s < 0 && view.behind > 300);
}

static void a_filter_that_is_gone_is_forgotten(void **state)
{
	seconds(30, 10, .1, .4, 0);
	sample_clear(&sample, 1000000);
	/* A reading that is missing is none. */
	for (int i = 0; i < 95; i++)
		second_stage_step(&stage, &in, &view);
	assert_true(view.known);
	for (int i = 0; i < 10; i++)
		second_stage_step(&stage, &in, &view);
	assert_false(view.known);
	assert_true(stage.cost_s == 0);
}

/* The number that stands before `words`. */
static double before(const char *text, const char *words)
{
	const char *at = strstr(text, words), *from = at;
	double value = NAN;

	if (!at)
		print_error("\"%s\" is not in:\n%s\n", words, text);
	assert_non_null(at);
	while (from > text && strchr("0123456789.", from[-1]))
		from--;
	assert_int_equal(sscanf(from, "%lf", &value), 1);
	return value;
}

/* A server of 10 ms and a filter of 40 on one core; 200 a second come once it has rested. */
static void overload(struct engine *engine, struct load *load, struct plan *ret_plan)
{
	struct load_service *l = &load->service[0];

	l->known = LOAD_IN_FLIGHT | LOAD_OFFERED | LOAD_COMPLETED | LOAD_BUSY | LOAD_UNGREETED;
	for (int i = 0; i < 400; i++) {
		bool over = i >= 300;

		sample_clear(&sample, 1000000 + 100000 * (uint64_t)i);
		sample_put(&sample, SIGNAL_CPU_STALL_RATIO, over ? 1 : .3, VIA_PSI);
		sample_put(&sample, SIGNAL_MTA_CPU_CORES, over ? .8 : .1, VIA_CGROUP);
		sample_put(&sample, SIGNAL_FILTER_CPU_CORES, over ? .2 : .4, VIA_CGROUP);
		l->offered += over ? 20 : 1;
		l->admitted += over ? 8 : 1;
		l->deferred += over ? 12 : 0;
		l->completed += over ? 8 : 1;
		l->finished = l->completed;
		l->in_flight = over ? 20 : 2;
		l->busy = over ? 10 : 1;
		l->session_us += over ? 8 * 500000 : 500000;
		l->server_us += over ? 8 * 20000 : 20000;
		engine_step(engine, &sample, load, sample.now_us, ret_plan);
	}
}

static void explain_prints_every_term_of_what_it_lets_in(void **state)
{
	static struct status status;
	static char buf[16384];
	struct text out = TEXT_OF(buf);
	struct engine_config config = { .cores = 1,
					.window = { .cores = 1,
						    .min = 4,
						    .banner_objective_us = 500000,
						    .wait_objective_us = 5e6 },
					.epoch_us = 60000000,
					.services = 1,
					.service = { { .name = "mx", .reply_code = 451 } } };
	struct load load = { 0 };
	static struct engine engine;
	double carries, allowed, window;

	for (int i = 0; i < SIGNAL__COUNT; i++)
		config.target[i] = signal_info[i].target;
	engine_init(&engine, &config, 1);
	overload(&engine, &load, &status.plan);
	status.config.services = 1;
	status.config.window_min = 4;
	status.view = engine.view;
	status.sample = sample;
	status.load = load;
	explain_status(&status, NULL, NULL, &out);
	carries = .97 / (before(buf, " ms of CPU to the server") / 1000 +
			 before(buf, " ms to the filter") / 1000);
	assert_near(before(buf, "/s are carried by both"), carries, .1);
	allowed = before(buf, "/s in (binds)");
	assert_near(allowed,
		    fmax(carries / 2, carries - (before(buf, " wait for the filter") -
						 before(buf, " of which may")) /
							60),
		    .2);
	assert_near(before(buf, " wait for the filter"), engine.view.second_stage.behind, 1);
	window = allowed *
		 (before(buf, " ms aimed at") + before(buf, " ms unloaded") +
		  before(buf, " ms of senders")) /
		 1000;
	assert_near(before(buf, " by what waits behind it"), window, .3);
	assert_int_equal(status.plan.service[0].window, lround(window));
	assert_int_equal(status.plan.service[0].reason, REASON_QUEUE);
}

static void a_message_of_a_tenth_of_a_millisecond_is_no_load(void **state)
{
	seconds(60, 100, .5, 100 * .8e-4, 0);
	assert_false(view.known);
	seconds(60, 100, .5, 100 * 1.3e-4, 0);
	assert_true(view.known);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(without_a_filter_nothing_binds, setup),
		cmocka_unit_test_setup(what_a_message_costs_is_learned_while_it_keeps_up, setup),
		cmocka_unit_test_setup(the_beginning_of_an_overload_is_not_learned, setup),
		cmocka_unit_test_setup(what_is_behind_is_worked_off, setup),
		cmocka_unit_test_setup(the_cpus_that_server_and_filter_share_are_the_servers,
				       setup),
		cmocka_unit_test_setup(cpu_that_is_left_shows_that_nothing_is_behind, setup),
		cmocka_unit_test_setup(neighbours_that_take_the_cpu_that_is_left_hide_it, setup),
		cmocka_unit_test_setup(what_a_message_costs_is_followed, setup),
		cmocka_unit_test_setup(a_standing_accept_queue_is_the_witness_on_an_idle_machine,
				       setup),
		cmocka_unit_test_setup(a_filter_that_is_gone_is_forgotten, setup),
		cmocka_unit_test_setup(explain_prints_every_term_of_what_it_lets_in, setup),
		cmocka_unit_test_setup(a_message_of_a_tenth_of_a_millisecond_is_no_load, setup),
	};

	return cmocka_run_group_tests_name("second_stage", tests, NULL, NULL);
}
