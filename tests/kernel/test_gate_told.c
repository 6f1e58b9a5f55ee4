/* The gate in the kernel: clients that have their answer, and get a reset instead of a 451. */
#include "gate_bench.h"

static void is_told(const struct in6_addr *a, uint64_t epoch)
{
	uint64_t who = UINT64_C(0xffff00000000) | (uint32_t)a->s6_addr[12] << 24 |
		       (uint32_t)a->s6_addr[13] << 16 | (uint32_t)a->s6_addr[14] << 8 |
		       a->s6_addr[15];

	assert_int_equal(bpf_map_update_elem(gate->map[MAP_TOLD], &who, &epoch, BPF_ANY), 0);
}

static uint64_t resets(void)
{
	static struct counts counts;

	if (!counts.magic)
		counts_init(&counts, "gate", 0);
	gate_poll(gate, clock_monotonic_us(), &counts, NULL, NULL);
	assert_true(counts.service[1].deferred >= counts.service[1].refused_reset);
	return counts.service[1].refused_reset;
}

static void one_with_a_ticket_passes(struct plan *p, const struct in6_addr *a)
{
	uint16_t port = next_port();

	p->service[1].window = PLAN_UNLIMITED;
	fresh(p);
	assert_int_equal(fate_of(a, port), PASSES);
	p->service[1].window = 0;
	fresh(p);
	assert_int_equal(fate_of(a, port), PASSES);
	give_back_tickets();
}

/* Refused, though trusted: a drain. */
static void one_that_is_trusted_is_handed_over(struct plan *p, const struct in6_addr *a)
{
	struct gate_network trusted = { .address = *a, .bits = 128 };

	assert_int_equal(gate_trusted(gate, &trusted, 1), 0);
	p->order = PLAN_DRAIN;
	fresh(p);
	assert_int_equal(fate_of(a, next_port()), HANDED_OVER);
	assert_int_equal(gate_trusted(gate, NULL, 0), 0);
	assert_int_equal(fate_of(a, next_port()), IS_RESET);
	p->order = PLAN_SERVE;
}

static void one_at_its_promised_turn_is_handed_over(struct plan *p, const struct in6_addr *a)
{
	struct plan_source due = { .band = PLAN_BAND_PROMISED }, absent = { .band = PLAN_BAND_NEW };
	uint64_t group = plan_group(a->s6_addr);

	due.group = group;
	p->service[1].window = 0;
	p->service[1].ungreeted_max = 0;
	fresh(p);
	is_told(a, 5);
	assert_int_equal(gate_ranks(gate, &group, &due, 1, &absent), 0);
	p->mode = PLAN_ENFORCE;
	p->service[1].rate_milli = 0;
	fresh(p);
	gate->state->places_taken = 1000;
	assert_int_equal(fate_of(a, next_port()), HANDED_OVER);
	gate->state->places_taken = 0;
	gate->state->ranked = 0;
}

/* Counting only, paused, an old plan: everybody passes. */
static void all_pass_where_nothing_is_decided(struct plan *p, const struct in6_addr *a)
{
	p->mode = PLAN_OBSERVE;
	fresh(p);
	assert_int_equal(fate_of(a, next_port()), PASSES);
	p->mode = PLAN_ENFORCE;
	fresh(p);
	gate_pause(gate, true);
	assert_int_equal(fate_of(a, next_port()), PASSES);
	gate_pause(gate, false);
	p->heartbeat_us = clock_monotonic_us() - PLAN_STALE_US - 1000000;
	gate_push(gate, p, 0, false);
	assert_int_equal(fate_of(a, next_port()), PASSES);
}

/* Verdict first: only who is refused now, was told in this epoch, is not trusted and not at its
 * promised turn is reset. */
static void only_who_was_told_is_reset(void **state)
{
	struct in6_addr a = address("192.0.2.70"), other = address("192.0.2.71");
	struct plan p = quiet_plan();
	uint64_t before;
	uint16_t port;

	need_run();
	give_back_tickets();
	before = resets();
	p.epoch = 5;
	p.service[1].window = 0;
	fresh(&p);
	is_told(&a, 5);
	assert_int_equal(fate_of(&a, next_port()), HANDED_OVER); /* it is off by default */
	gate_resets(gate, true);
	port = next_port();
	assert_int_equal(fate_of(&a, port), IS_RESET);
	assert_int_equal(fate_of(&other, next_port()), HANDED_OVER);
	assert_int_equal(resets() - before, 1);
	assert_int_equal(gate->state->places_taken, 0);
	/* A handshake that the responder has begun goes on: its cookie's ACK is looked up again. */
	port = next_port();
	is_told(&a, 4);
	assert_int_equal(fate_of(&a, port), HANDED_OVER); /* another epoch */
	is_told(&a, 5);
	assert_int_equal(fate_of(&a, port), HANDED_OVER);
	one_with_a_ticket_passes(&p, &a);
	one_that_is_trusted_is_handed_over(&p, &a);
	one_at_its_promised_turn_is_handed_over(&p, &a);
	all_pass_where_nothing_is_decided(&p, &a);
	gate_resets(gate, false);
	give_back_tickets();
}

/* The kernel forgets who was told longest ago: one more 451. */
static void who_was_told_is_bounded(void **state)
{
	struct plan p = quiet_plan();

	need_run();
	for (unsigned i = 0; i < GATE_TOLD + 1000; i++) {
		struct in6_addr a = stranger(i);

		is_told(&a, 1);
	}
	assert_in_range(entries(MAP_TOLD, sizeof(uint64_t)), GATE_TOLD / 2, GATE_TOLD);
	fresh(&p);
}

/* From the beginning, and not from the first tick on: a gate that is taken over may have a plan. */
static void beside_another_front_it_decides_nothing(void **state)
{
	struct gate_options o = { .service = 1, .ports = { PORT }, .netns_fd = -1, .beside = true };
	struct in6_addr a = stranger(1);
	struct plan p = quiet_plan();

	need_run();
	gate_close(gate, false);
	gate = NULL;
	o.listener_v4 = listener(AF_INET);
	o.listener_v6 = listener(AF_INET6);
	assert_int_equal(gate_open(&o, &gate, why), 0);
	gate_resets(gate, true);
	p.epoch = 5;
	p.service[1].window = 0;
	fresh(&p);
	assert_int_equal(fate_of(&a, next_port()), PASSES);
	is_told(&a, 5);
	assert_int_equal(fate_of(&a, next_port()), IS_RESET);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_who_was_told_is_reset),
		cmocka_unit_test(who_was_told_is_bounded),
		cmocka_unit_test(beside_another_front_it_decides_nothing),
	};

	return cmocka_run_group_tests_name("gate_told", tests, setup, teardown);
}
