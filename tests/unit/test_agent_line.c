#include "cmocka_test.h"

#include <string.h>

#include "front/agent_line.h"

#define NOW UINT64_C(5000000000)
#define MINUTE UINT64_C(60000000)

static struct plan plan_of(uint32_t window)
{
	struct plan p = { .magic = PLAN_MAGIC,
			  .version = PLAN_VERSION,
			  .heartbeat_us = NOW,
			  .order = PLAN_SERVE,
			  .mode = PLAN_ENFORCE,
			  .services = 1 };

	p.service[0].window = window;
	p.service[0].shed = PLAN_SHED_YES;
	return p;
}

static void says(const char *wanted, struct plan *plan, const struct agent_options *o, uint64_t now,
		 struct agent_memory *m)
{
	char line[AGENT_LINE_MAX];
	size_t n = agent_line(plan, o, now, m, line);

	assert_int_equal(n, strlen(line));
	assert_string_equal(line, wanted);
}

static const struct agent_options usual = { .balancers = 1 };

static void nothing_is_limited(void **state)
{
	struct agent_memory m = { 0 };
	struct plan p = plan_of(PLAN_UNLIMITED);

	says("up ready 100% maxconn:0\n", &p, &usual, NOW, &m);
	says("up ready 100% maxconn:0\n", NULL, &usual, NOW, &m);
	p = plan_of(7);
	says("up ready 100% maxconn:0\n", &p, &usual, NOW + PLAN_STALE_US + 1, &m);
	p.mode = PLAN_OBSERVE;
	says("up ready 100% maxconn:0\n", &p, &usual, NOW, &m);
	p.mode = PLAN_ENFORCE;
	p.order = PLAN_BLIND;
	says("up ready 100% maxconn:0\n", &p, &usual, NOW, &m);
	p.order = PLAN_SERVE;
	p.service[0].shed = PLAN_SHED_NO;
	says("up ready 100% maxconn:0\n", &p, &usual, NOW, &m);
	p.services = 0;
	says("up ready 100% maxconn:0\n", &p, &usual, NOW, &m);
}

static void a_window_is_a_maxconn_and_a_part_of_the_usual_one(void **state)
{
	struct agent_memory m = { 0 };
	struct plan p = plan_of(80);

	says("up ready 100% maxconn:80\n", &p, &usual, NOW, &m);
	p.service[0].window = 40;
	says("up ready 100% maxconn:40\n", &p, &usual, NOW, &m);
	p.service[0].window = 20;
	says("up ready 50% maxconn:20\n", &p, &usual, NOW, &m);
	p.service[0].window = 0;
	says("up ready 1% maxconn:1\n", &p, &usual, NOW, &m);
	/* What was usual is forgotten by half in ten minutes. */
	p.service[0].window = 20;
	p.heartbeat_us = NOW + 10 * MINUTE;
	says("up ready 100% maxconn:20\n", &p, &usual, NOW + 10 * MINUTE, &m);
	p.heartbeat_us = NOW + 600 * MINUTE;
	says("up ready 100% maxconn:20\n", &p, &usual, NOW + 600 * MINUTE, &m);
}

static void several_balancers_and_a_limit_of_the_operator(void **state)
{
	struct agent_memory m = { 0 };
	struct agent_options o = { .balancers = 4, .connections_max = 60 };
	struct plan p = plan_of(80);

	says("up ready 100% maxconn:15\n", NULL, &o, NOW, &m);
	says("up ready 100% maxconn:15\n", &p, &o, NOW, &m);
	p.service[0].window = 8;
	says("up ready 20% maxconn:2\n", &p, &o, NOW, &m);
	p.service[0].window = 3;
	says("up ready 8% maxconn:1\n", &p, &o, NOW, &m);
}

static void an_order_drains_in_observe_mode_too(void **state)
{
	struct agent_memory m = { 0 };
	struct plan p = plan_of(80);

	p.order = PLAN_DRAIN;
	says("up drain\n", &p, &usual, NOW, &m);
	p.mode = PLAN_OBSERVE;
	p.order = PLAN_MAINTENANCE;
	says("up drain\n", &p, &usual, NOW, &m);
	/* penstockd ended in its drain: mail flows. */
	says("up ready 100% maxconn:0\n", &p, &usual, NOW + PLAN_STALE_US + 1, &m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_limited),
		cmocka_unit_test(a_window_is_a_maxconn_and_a_part_of_the_usual_one),
		cmocka_unit_test(several_balancers_and_a_limit_of_the_operator),
		cmocka_unit_test(an_order_drains_in_observe_mode_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
