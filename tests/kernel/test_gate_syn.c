/* The gate in the kernel counts SYNs that never become sessions, and ports that come again. */
#include "gate_bench.h"

/* ---- SYNs that never become sessions -------------------------------------------------------- */

/* The address completes a handshake over loopback, which proves it. */
static void prove(const struct in6_addr *a)
{
	uint64_t key = 0xffff00000000ull | ntohl(a->s6_addr32[3]), now = 1;

	assert_int_equal(bpf_map_update_elem(map_of("proven"), &key, &now, BPF_ANY), 0);
}

static struct plan narrow_plan(void)
{
	struct plan p = quiet_plan();

	p.service[1].window = 16;
	p.service[1].rate_milli = 1; /* and they take nothing out of the bucket */
	p.service[1].burst_milli = 16000;
	return p;
}

/* Addresses that are proven; how many of 20 find a place. */
static unsigned admitted_of_known(void)
{
	unsigned in = 0;

	for (unsigned i = 0; i < 20; i++) {
		struct in6_addr known = address("192.0.2.100");

		known.s6_addr[15] = (uint8_t)(100 + i);
		prove(&known);
		in += !handed_over(&known, next_port());
	}
	return in;
}

static void tickets_of_strangers_count_for_a_share_against_proven_addresses(void **state)
{
	struct in6_addr other = address("192.0.2.201");
	struct plan p = narrow_plan();

	need_run();
	give_back_tickets();
	fresh(&p);
	assert_int_equal(crowd_at(&p, 100, 2001), 100 - 16); /* strangers fill the window */
	assert_int_equal(handed_over(&other, next_port()), 1);
	assert_int_equal(admitted_of_known(), 16 - 2); /* an eighth is the strangers' */
	assert_int_equal(gate->state->unproven, 16);
	assert_int_equal(gate->state->pending, 16 + 14);
	give_back_tickets();
}

static void one_proven_address_takes_no_more_than_strangers_do(void **state)
{
	struct in6_addr one = address("192.0.2.200");
	struct plan p = narrow_plan();
	unsigned in = 0;

	need_run();
	give_back_tickets();
	prove(&one);
	fresh(&p);
	for (int i = 0; i < 100; i++)
		in += !handed_over(&one, next_port());
	assert_int_equal(in, 16); /* no other client wants a place */
	assert_int_equal(gate->state->unproven, 14);
	assert_int_equal(admitted_of_known(), 16 - 2 - 2); /* its own share, and the strangers' */
	give_back_tickets();
}

static void a_handshake_proves_an_address(void **state)
{
	uint64_t key = 0xffff00000000ull | INADDR_LOOPBACK, when = 0;
	struct plan p = quiet_plan();
	struct pair pair;

	need_gate();
	mta_open();
	fresh(&p);
	pair = connection();
	assert_int_equal(bpf_map_lookup_elem(map_of("proven"), &key, &when), 0);
	assert_true(when > 0);
	end(&pair);
	mta_close();
}

static void tickets_that_failed_count_no_more_for_anybody(void **state)
{
	struct counts counts;
	struct plan p = quiet_plan();
	uint64_t now_us;

	need_run();
	give_back_tickets();
	counts_init(&counts, "gate", 0);
	p.service[1].window = 16;
	p.service[1].rate_milli = 1;
	p.service[1].burst_milli = 40000;
	fresh(&p);
	gate_poll(gate, clock_monotonic_us(), &counts, NULL, NULL);
	assert_int_equal(crowd_at(&p, 16, 2002), 0);
	assert_int_equal(crowd_at(&p, 100, 2002),
			 84); /* 16 have their tickets, the others find the window full */
	/* No handshake takes so long; the tickets themselves are still there. */
	now_us = clock_monotonic_us() + 1200000;
	gate->ticket_life_us = 3000000;
	gate->judged_us = now_us;
	gate_poll(gate, now_us, &counts, NULL, NULL);
	assert_true(gate->judge.flood);
	assert_int_equal(gate->state->pending, 16);
	assert_int_equal(counts.service[1].shadow_in_flight, 2); /* the share */
	for (unsigned i = 0; i < 30; i++) {
		struct in6_addr a = stranger(10000 + i);

		assert_int_equal(handed_over(&a, 2003), 0);
	}
	give_back_tickets();
	assert_int_equal(gate->state->bucket.tokens_nano / PLAN_TOKEN_NANO, 40);
}

static void trusted_tickets_count_against_no_other(void **state)
{
	struct gate_network network = { address("198.51.100.0"), 96 + 24 };
	struct plan p = quiet_plan();
	unsigned handed = 0;

	need_run();
	give_back_tickets();
	assert_int_equal(gate_trusted(gate, &network, 1), 0);
	p.service[1].window = 10;
	p.service[1].rate_milli = 1;
	p.service[1].burst_milli = 10000;
	fresh(&p);
	for (unsigned i = 0; i < 250; i++) {
		struct in6_addr a = address("198.51.100.1");

		a.s6_addr[15] = (uint8_t)i;
		assert_int_equal(handed_over(&a, 3000), 0);
	}
	assert_int_equal(gate->state->places_taken, 0);
	for (unsigned i = 0; i < 20; i++) {
		struct in6_addr a = stranger(i);

		handed += (unsigned)handed_over(&a, 3000);
	}
	assert_int_equal(handed, 10);
	assert_int_equal(gate_trusted(gate, NULL, 0), 0);
	give_back_tickets();
	assert_int_equal(entries(MAP_HELD, sizeof(uint64_t)), 0);
}

/* ---- the same port again -------------------------------------------------------------------- */

static void who_was_here_a_moment_ago_is_decided_like_anybody(void **state)
{
	struct gate_network network = { address("203.0.113.66"), 128 };
	struct in6_addr a = address("203.0.113.66");
	struct plan p = quiet_plan();
	struct smtp_tuple t = { .port = 40001, .local = PORT };
	uint64_t now_ns = clock_monotonic_us() * 1000;

	need_run();
	give_back_tickets();
	memcpy(t.address, &a, sizeof(t.address));
	p.service[1].window = 1;
	fresh(&p);
	assert_int_equal(bpf_map_update_elem(gate->map[MAP_RECENTLY_CLOSED], &t, &now_ns, BPF_ANY),
			 0);
	/* A stray segment takes no place. */
	assert_int_equal(handed_over(&a, 40001), 0);
	assert_int_equal(gate->state->places_taken, 0);
	assert_int_equal(entries(MAP_TICKETS, sizeof(struct smtp_tuple)), 1);
	give_back_tickets();
	for (int why_not = 0; why_not < 3; why_not++) {
		t.port = (uint16_t)(40002 + why_not);
		assert_int_equal(
			bpf_map_update_elem(gate->map[MAP_RECENTLY_CLOSED], &t, &now_ns, BPF_ANY),
			0);
		p.service[1].window = why_not == 0 ? 0 : 1;
		p.order = why_not == 1 ? PLAN_DRAIN : PLAN_SERVE;
		assert_int_equal(gate_refused(gate, &network, why_not == 2), 0);
		fresh(&p);
		assert_int_equal(handed_over(&a, t.port), 1);
	}
	assert_int_equal(gate_refused(gate, NULL, 0), 0);
	give_back_tickets();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tickets_of_strangers_count_for_a_share_against_proven_addresses),
		cmocka_unit_test(one_proven_address_takes_no_more_than_strangers_do),
		cmocka_unit_test(a_handshake_proves_an_address),
		cmocka_unit_test(tickets_that_failed_count_no_more_for_anybody),
		cmocka_unit_test(trusted_tickets_count_against_no_other),
		cmocka_unit_test(who_was_here_a_moment_ago_is_decided_like_anybody),
	};

	return cmocka_run_group_tests_name("gate_syn", tests, setup, teardown);
}
