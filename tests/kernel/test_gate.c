/* The gate in the kernel decides as plan_decide() does in the daemon: the same function on random
 * plans and requests by BPF_PROG_RUN, and the whole program on random clients. In a network
 * namespace of its own. Skipped, with the reason, where BPF is refused. */
#include "gate_bench.h"

#include <stdio.h>
#include <sys/utsname.h>

#include "core/splitmix.h"

#define ROUNDS 20000

static uint64_t seed = 20261124;

static uint64_t any(void)
{
	return splitmix_next(&seed);
}

/* Often at a bound, where mistakes live. */
static uint32_t number(uint32_t bound)
{
	switch (any() % 4) {
	case 0:
		return PLAN_UNLIMITED;
	case 1:
		return bound;
	case 2:
		return (uint32_t)(any() % 3) + bound - 1;
	default:
		return (uint32_t)(any() % 100);
	}
}

static void any_plan(struct plan *p, uint64_t now_us)
{
	static const uint64_t ages[] = { 0, 1000, PLAN_STALE_US - 1000000,
					 PLAN_STALE_US + 1000000 };

	memset(p, 0, sizeof(*p));
	p->magic = any() % 16 ? PLAN_MAGIC : 0;
	p->version = any() % 16 ? PLAN_VERSION : PLAN_VERSION + 1;
	p->heartbeat_us = now_us - ages[any() % 4];
	if (any() % 16 == 0)
		p->heartbeat_us = now_us + 10 * US_PER_S;
	p->salt = any();
	p->order = any() % 4 ? PLAN_SERVE : (uint8_t)(any() % 5);
	p->mode = any() % 2;
	p->services = (uint8_t)(any() % (PLAN_SERVICES + 1));
	for (unsigned i = 0; i < PLAN_SERVICES; i++) {
		struct plan_service *s = &p->service[i];

		s->window = number(20);
		s->ungreeted_max = number(10);
		s->rate_milli = number(1000);
		s->burst_milli = number(5000);
		s->source_max = number(5);
		for (int b = 0; b < PLAN_BANDS; b++)
			s->cutoff[b] = any() % 2 ? 0 : (uint32_t)any();
		s->shed = (uint8_t)(any() % 3);
		s->reason = (uint8_t)(any() % REASON__COUNT);
		s->source_share = number(5);
		s->reserve_256 = any() % 2 ? 0 : (uint8_t)any();
	}
}

static void any_request(struct plan_request *r, uint64_t now_us)
{
	memset(r, 0, sizeof(*r));
	r->now_us = now_us;
	r->service = (uint32_t)(any() % (PLAN_SERVICES + 2));
	r->in_flight = number(20);
	r->ungreeted = number(10);
	r->tokens_milli = number(1000);
	r->score = any() % 3 ? (uint32_t)any() : PLAN_UNLIMITED;
	r->sessions = number(5);
	r->band = (uint8_t)(any() % (PLAN_BANDS + 1));
	r->heavy = (uint8_t)(any() % 3);
	r->trusted = any() % 8 == 0;
	r->refused = any() % 8 == 0;
}

static void the_kernel_gives_the_daemons_verdict(void **state)
{
	uint64_t now_us = clock_monotonic_us();
	unsigned deferred = 0, limits[LIMIT__COUNT] = { 0 };
	struct plan plan;

	need_gate();
	for (int i = 0; i < ROUNDS; i++) {
		struct plan_request request;
		struct verdict mine, its;

		any_plan(&plan, now_us);
		any_request(&request, now_us);
		gate_push(gate, &plan, 0, false);
		gate->state->test_request = request;
		memset(&gate->state->test_verdict, 0xaa, sizeof(its));
		assert_int_equal(run("gate_decide", NULL, 0, NULL), 0);
		its = gate->state->test_verdict;
		mine = plan_decide(&plan, &request);
		assert_memory_equal(&its, &mine, sizeof(mine));
		deferred += !mine.admit;
		limits[mine.limit]++;
	}
	assert_in_range(deferred, ROUNDS / 20, ROUNDS);
	for (int i = 0; i < LIMIT__COUNT; i++)
		assert_true(limits[i] > 0); /* each was met */
}

static void the_window_binds_by_tickets(void **state)
{
	struct plan p = quiet_plan();
	unsigned handed = 0;

	need_run();
	give_back_tickets();
	p.service[1].window = 20;
	gate_push(gate, &p, 0, false);
	for (int i = 0; i < 200; i++) {
		struct in6_addr a = address(i % 2 ? "192.0.2.9" : "2001:db8::9");

		handed += (unsigned)handed_over(&a, next_port());
	}
	assert_int_equal(handed, 180);
	assert_int_equal(gate->state->places_taken, 20);
	give_back_tickets();
}

static void a_tuple_keeps_its_fate_when_it_is_looked_up_again(void **state)
{
	struct in6_addr a = address("192.0.2.77");
	struct plan p = quiet_plan();
	uint16_t in = next_port(), out = next_port();

	need_run();
	give_back_tickets();
	p.service[1].window = 1;
	gate_push(gate, &p, 0, false);
	assert_int_equal(handed_over(&a, in), 0);
	assert_int_equal(handed_over(&a, out), 1);
	p.service[1].window = 0;
	gate_push(gate, &p, 0, false);
	assert_int_equal(handed_over(&a, in), 0); /* its ticket */
	p.service[1].window = 100;
	gate_push(gate, &p, 0, false);
	assert_int_equal(handed_over(&a, out), 1); /* its refusal */
	assert_int_equal(gate_reason(gate, &a, out, PORT), REASON_CPU);
	assert_int_equal(gate->state->places_taken, 1);
	give_back_tickets();
}

static void trusted_and_refused_networks_bind_by_the_longest_reach(void **state)
{
	struct gate_network trusted[2] = { { address("198.51.100.0"), 96 + 24 },
					   { address("2001:db8:1::"), 48 } };
	struct gate_network refused[2] = { { address("203.0.113.0"), 96 + 25 },
					   { address("2001:db8:2::"), 64 } };
	static const struct {
		const char *client;
		int handed; /* with a window of 0 */
		int handed_open; /* without one */
	} cases[] = { { "198.51.100.200", 0, 0 },     { "198.51.101.1", 1, 0 },
		      { "2001:db8:1:ffff::1", 0, 0 }, { "203.0.113.5", 1, 1 },
		      { "203.0.113.200", 1, 0 },      { "2001:db8:2::1", 1, 1 },
		      { "2001:db8:2:1::1", 1, 0 } };
	struct plan p = quiet_plan();

	need_run();
	assert_int_equal(gate_trusted(gate, trusted, 2), 0);
	assert_int_equal(gate_refused(gate, refused, 2), 0);
	for (int open = 0; open < 2; open++) {
		p.service[1].window = open ? PLAN_UNLIMITED : 0;
		gate_push(gate, &p, 0, false);
		for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
			struct in6_addr a = address(cases[i].client);

			assert_int_equal(handed_over(&a, next_port()),
					 open ? cases[i].handed_open : cases[i].handed);
		}
	}
	assert_int_equal(gate_trusted(gate, NULL, 0), 0);
	assert_int_equal(gate_refused(gate, NULL, 0), 0);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct in6_addr a = address(cases[i].client);

		assert_int_equal(handed_over(&a, next_port()), 0);
	}
	give_back_tickets();
}

/* Ranks, bands and the tie of the epoch: the same source is in or out alike in the kernel and here,
 * v4 and v6. */
static void the_cutoff_takes_the_sources_that_the_daemon_would(void **state)
{
	struct plan p = quiet_plan();
	struct plan_source absent = { .rank = 0x4000, .band = PLAN_BAND_NEW }, source[64];
	uint64_t groups[64];
	unsigned handed = 0;

	need_run();
	give_back_tickets();
	for (int i = 0; i < 64; i++) {
		struct in6_addr a = address("10.0.0.1");

		a.s6_addr[14] = (uint8_t)i;
		groups[i] = plan_group(a.s6_addr);
		source[i] = (struct plan_source){ .group = groups[i],
						  .rank = (uint16_t)(any() & 0x7fff),
						  .band = (uint8_t)(any() % PLAN_BANDS),
						  .heavy = any() % 8 == 0 };
	}
	assert_int_equal(gate_ranks(gate, groups, source, 64, &absent), 0);
	for (int b = 0; b < PLAN_BANDS; b++)
		p.service[1].cutoff[b] = 0x40004000u + (uint32_t)b * 0x1000u;
	p.service[1].window = 4096;
	p.service[1].reserve_256 = 255; /* 16 places are for everybody */
	for (int i = 0; i < 400; i++) {
		struct in6_addr a = address(i % 2 ? "10.0.0.77" : "2001:db8::1");
		struct plan_source s = absent;
		struct plan_request r = { .service = 1, .tokens_milli = PLAN_UNLIMITED };
		int its;

		p.salt = any();
		p.heartbeat_us = young();
		gate_push(gate, &p, 0, false);
		a.s6_addr[i % 2 ? 14 : 5] = (uint8_t)(i % 100); /* some known, some not */
		s.group = plan_group(a.s6_addr);
		for (int k = 0; k < 64; k++)
			if (groups[k] == s.group)
				s = source[k];
		r.now_us = clock_monotonic_us();
		plan_rank(&p, &s, &r);
		r.in_flight = (uint32_t)gate->state->places_taken;
		its = handed_over(&a, next_port());
		assert_int_equal(its, !plan_decide(&p, &r).admit);
		handed += (unsigned)its;
	}
	assert_in_range(handed, 40, 360);
	give_back_tickets();
	gate->state->ranked = 0;
}

static void one_source_has_no_more_sessions_than_it_may(void **state)
{
	struct in6_addr a = address("192.0.2.55"), neighbour = address("192.0.2.56"),
			other = address("192.0.3.55");
	struct plan p = quiet_plan();

	need_run();
	give_back_tickets();
	p.service[1].source_max = 3;
	gate_push(gate, &p, 0, false);
	assert_int_equal(handed_over(&a, next_port()), 0);
	assert_int_equal(handed_over(&a, next_port()), 0);
	assert_int_equal(handed_over(&a, next_port()), 0);
	assert_int_equal(handed_over(&a, next_port()), 1);
	assert_int_equal(handed_over(&neighbour, next_port()), 0);
	assert_int_equal(handed_over(&other, next_port()), 0);
	give_back_tickets();
	gate_push(gate, &p, 0, false);
	assert_int_equal(handed_over(&a, next_port()), 0);
	give_back_tickets();
}

static unsigned held_addresses(void)
{
	uint64_t key, next, count = 0;
	void *at = NULL;

	for (; bpf_map_get_next_key(gate->map[MAP_HELD], at, &next) == 0; at = &key, count++)
		key = next;
	return (unsigned)count;
}

/* Sessions over loopback, which the kernel counts and takes off. */
static void *come_and_go(void *context)
{
	struct sockaddr_in server = { .sin_family = AF_INET,
				      .sin_port = htons(PORT),
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int one = 1, listening = socket(AF_INET, SOCK_STREAM, 0);

	setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	assert_int_equal(bind(listening, (struct sockaddr *)&server, sizeof(server)), 0);
	assert_int_equal(listen(listening, 64), 0);
	for (int i = 0; i < 8000; i++) {
		int client = socket(AF_INET, SOCK_STREAM, 0), session;

		if (connect(client, (struct sockaddr *)&server, sizeof(server)) == 0) {
			session = accept(listening, NULL, NULL);
			close(session);
		}
		close(client);
	}
	close(listening);
	return NULL;
}

/* Else an address's count that was written over would stay for ever, and the address be turned away
 * for ever. */
static void an_addresss_count_comes_down_whoever_takes_off(void **state)
{
	struct in6_addr a = address("127.0.0.1");
	struct plan p = quiet_plan();
	struct counts counts;
	pthread_t thread;

	need_run();
	give_back_tickets();
	assert_int_equal(held_addresses(), 0);
	counts_init(&counts, "gate", 0);
	gate->state->loopback = 1;
	gate_push(gate, &p, 0, false);
	assert_int_equal(pthread_create(&thread, NULL, come_and_go, NULL), 0);
	for (bool over = false; !over;) {
		struct timespec now = { 0 };

		over = pthread_timedjoin_np(thread, NULL, &now) == 0;
		p.heartbeat_us = young();
		gate_push(gate, &p, 0, false);
		/* Tickets of clients that vanish: the daemon takes them off. */
		for (int i = 0; i < 100; i++)
			handed_over(&a, (uint16_t)(1024 + i));
		gate->judged_us = clock_monotonic_us() + 100 * US_PER_S;
		gate_poll(gate, clock_monotonic_us() + 100 * US_PER_S, &counts, NULL, NULL);
	}
	gate->state->loopback = 0;
	give_back_tickets();
	assert_int_equal(gate->state->sessions, 0);
	assert_int_equal(held_addresses(), 0);
}

static void observe_mode_hands_no_client_over(void **state)
{
	struct in6_addr a = address("192.0.2.99");
	struct plan p = quiet_plan();

	need_run();
	give_back_tickets();
	p.mode = PLAN_OBSERVE;
	p.service[1].window = 2;
	gate_push(gate, &p, 0, false);
	for (int i = 0; i < 10; i++)
		assert_int_equal(handed_over(&a, next_port()), 0);
	assert_int_equal(gate->state->places_taken, 2); /* the shadow count stops at the window */
	give_back_tickets();
}

static void the_bucket_is_the_daemons_bucket(void **state)
{
	struct in6_addr a = address("192.0.2.111");
	struct plan p = quiet_plan();
	int admitted = 0;

	need_run();
	give_back_tickets();
	p.service[1].rate_milli = 1; /* next to nothing comes in while this runs */
	p.service[1].burst_milli = 7000;
	gate_push(gate, &p, 0, false);
	for (int i = 0; i < 50; i++)
		admitted += !handed_over(&a, next_port());
	assert_int_equal(admitted, 7);
	give_back_tickets();
}

static void no_plan_or_a_paused_responder_lets_everybody_pass(void **state)
{
	struct in6_addr a = address("192.0.2.122"), local = address("127.0.0.1");
	struct plan p = quiet_plan();

	need_run();
	give_back_tickets();
	p.service[1].window = 0;
	gate_push(gate, &p, 0, false);
	assert_int_equal(handed_over(&a, next_port()), 1);
	assert_int_equal(handed_over(&local, next_port()), 0); /* this host's own */
	gate_pause(gate, true);
	assert_int_equal(handed_over(&a, next_port()), 0);
	gate_pause(gate, false);
	p.heartbeat_us = clock_monotonic_us() - PLAN_STALE_US - 1000;
	gate_push(gate, &p, 0, false);
	assert_int_equal(handed_over(&a, next_port()), 0);
	p.heartbeat_us = young();
	gate_push(gate, &p, 0, true);
	p.service[1].window = PLAN_UNLIMITED;
	assert_int_equal(handed_over(&a, next_port()),
			 1); /* nothing listens: everybody is answered */
	gate_push(gate, &p, 0, false);
	gate_listeners(gate, -1, -1);
	p.service[1].window = 0;
	gate_push(gate, &p, 0, false);
	assert_int_equal(handed_over(&a, next_port()), 0);
}

/* So many instructions the verifier followed before each program was loaded; it gives up at a
 * million. Older kernels follow more paths: 12,600 on 6.18, 301,000 on 6.1. While plan_decide() was
 * inlined into the lookup there were 116,000 on 6.18. */
static void the_kernel_takes_each_program_quickly(void **state)
{
	enum { MOST = 60000, MOST_OLDER = 500000 };
	struct bpf_program *program;
	struct utsname host;
	int major = 0, minor = 0;

	need_gate();
	uname(&host);
	assert_int_equal(sscanf(host.release, "%d.%d", &major, &minor), 2);
	bpf_object__for_each_program(program, gate->object)
	{
		struct bpf_prog_info info = { 0 };
		uint32_t size = sizeof(info);

		if (bpf_program__fd(program) < 0)
			continue;
		assert_int_equal(bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size), 0);
		/* Kernels before 5.16 do not tell: 0. */
		assert_in_range(info.verified_insns, 0,
				major > 6 || (major == 6 && minor >= 12) ? MOST : MOST_OLDER);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_kernel_gives_the_daemons_verdict),
		cmocka_unit_test(the_window_binds_by_tickets),
		cmocka_unit_test(a_tuple_keeps_its_fate_when_it_is_looked_up_again),
		cmocka_unit_test(trusted_and_refused_networks_bind_by_the_longest_reach),
		cmocka_unit_test(the_cutoff_takes_the_sources_that_the_daemon_would),
		cmocka_unit_test(one_source_has_no_more_sessions_than_it_may),
		cmocka_unit_test(an_addresss_count_comes_down_whoever_takes_off),
		cmocka_unit_test(observe_mode_hands_no_client_over),
		cmocka_unit_test(the_bucket_is_the_daemons_bucket),
		cmocka_unit_test(no_plan_or_a_paused_responder_lets_everybody_pass),
		cmocka_unit_test(the_kernel_takes_each_program_quickly),
	};

	return cmocka_run_group_tests_name("gate", tests, setup, teardown);
}
