/* The gate's maps in the kernel when they are full. */
#include "gate_bench.h"

static void tickets_full_let_everybody_pass_and_none_stays(void **state)
{
	struct plan p = quiet_plan();
	uint64_t full;

	need_run();
	give_back_tickets();
	full = gate->state->passed_full;
	assert_int_equal(crowd(&p, GATE_TICKETS + 500), 0);
	assert_int_equal(gate->state->places_taken, GATE_TICKETS);
	assert_int_equal(gate->state->passed_full - full, 500);
	assert_int_equal(entries(MAP_TICKETS, sizeof(struct smtp_tuple)), GATE_TICKETS);
	give_back_tickets();
	assert_int_equal(entries(MAP_TICKETS, sizeof(struct smtp_tuple)), 0);
	assert_int_equal(entries(MAP_HELD, sizeof(uint64_t)), 0);
}

static void sources_full_are_not_limited_and_leave_nothing(void **state)
{
	struct plan p = quiet_plan();
	int64_t one = 1;
	struct in6_addr a = address("192.0.2.155");

	need_run();
	give_back_tickets();
	for (uint64_t i = 0; i < GATE_SOURCES; i++) {
		uint64_t key = UINT64_C(0x20010db800000000) + i;

		assert_int_equal(bpf_map_update_elem(gate->map[MAP_HELD], &key, &one, BPF_ANY), 0);
	}
	p.service[1].source_max = 2;
	gate_push(gate, &p, 0, false);
	for (int i = 0; i < 10; i++)
		assert_int_equal(handed_over(&a, next_port()), 0);
	assert_int_equal(gate->state->places_taken, 10);
	give_back_tickets();
	assert_int_equal(entries(MAP_HELD, sizeof(uint64_t)), GATE_SOURCES);
	for (uint64_t i = 0; i < GATE_SOURCES; i++) {
		uint64_t key = UINT64_C(0x20010db800000000) + i;

		assert_int_equal(bpf_map_delete_elem(gate->map[MAP_HELD], &key), 0);
	}
}

/* The kernel forgets old ranks and old refusals for new ones: that admits and refuses no client. */
static void ranks_and_refusals_beyond_their_bound_displace_the_oldest(void **state)
{
	struct plan_source absent = { .band = PLAN_BAND_NEW }, source[1024];
	struct plan p = quiet_plan();
	uint64_t groups[1024];

	need_run();
	give_back_tickets();
	for (unsigned n = 0; n < GATE_RANKS + 4096; n += 1024) {
		for (unsigned i = 0; i < 1024; i++) {
			groups[i] = 0x5000000000000000u + n + i;
			source[i] = absent;
			source[i].group = groups[i];
		}
		assert_int_equal(gate_ranks(gate, groups, source, 1024, &absent), 0);
	}
	assert_in_range(entries(MAP_RANKS, sizeof(uint64_t)), GATE_RANKS / 2, GATE_RANKS);
	gate->state->ranked = 0;
	p.service[1].window = 0;
	assert_int_equal(crowd(&p, GATE_REFUSALS + 2000), GATE_REFUSALS + 2000);
	assert_int_equal(gate->state->places_taken, 0);
	assert_int_equal(entries(MAP_TICKETS, sizeof(struct smtp_tuple)), 0);
}

/* A cookie's ACK is looked up as if it were new: were the refusal forgotten by then, it might come
 * to the other listener, which resets it. A hundred thousand SYNs a second leave it for a third of
 * a second. */
static void a_refusal_outlives_thirty_thousand_others(void **state)
{
	struct in6_addr a = address("192.0.2.166");
	struct plan p = quiet_plan();
	uint16_t port = next_port();

	need_run();
	give_back_tickets();
	p.service[1].window = 0;
	fresh(&p);
	assert_int_equal(handed_over(&a, port), 1);
	assert_int_equal(crowd(&p, GATE_REFUSALS / 2), GATE_REFUSALS / 2);
	p.service[1].window = PLAN_UNLIMITED;
	fresh(&p);
	assert_int_equal(handed_over(&a, port), 1);
}

static void networks_beyond_the_bound_are_as_if_not_there(void **state)
{
	static struct gate_network list[GATE_NETWORKS + 10];
	struct in6_addr first, last = stranger(GATE_NETWORKS + 9);
	struct plan p = quiet_plan();

	need_run();
	give_back_tickets();
	for (unsigned i = 0; i < GATE_NETWORKS + 10; i++)
		list[i] = (struct gate_network){ .address = stranger(i), .bits = 128 };
	assert_true(gate_refused(gate, list, GATE_NETWORKS + 10) < 0); /* and it is said */
	p.heartbeat_us = clock_monotonic_us();
	gate_push(gate, &p, 0, false);
	first = stranger(0);
	assert_int_equal(handed_over(&first, next_port()), 1);
	assert_int_equal(handed_over(&last, next_port()), 0);
	assert_int_equal(gate_refused(gate, NULL, 0), 0);
	give_back_tickets();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tickets_full_let_everybody_pass_and_none_stays),
		cmocka_unit_test(sources_full_are_not_limited_and_leave_nothing),
		cmocka_unit_test(ranks_and_refusals_beyond_their_bound_displace_the_oldest),
		cmocka_unit_test(a_refusal_outlives_thirty_thousand_others),
		cmocka_unit_test(networks_beyond_the_bound_are_as_if_not_there),
	};

	return cmocka_run_group_tests_name("gate_full", tests, setup, teardown);
}
