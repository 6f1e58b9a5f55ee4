/* The gate's count in the kernel when things go wrong: maps that are full, events that are lost,
 * bursts between two ticks. */
#include "gate_bench.h"

/* ---- maps that are full --------------------------------------------------------------------- */

static unsigned entries(enum gate_map map, size_t key_size)
{
	uint8_t key[64], next[64];
	void *at = NULL;
	unsigned n = 0;

	while (bpf_map_get_next_key(gate->map[map], at, next) == 0) {
		memcpy(key, next, key_size);
		at = key;
		n++;
	}
	return n;
}

static int map_of(const char *name)
{
	return bpf_map__fd(bpf_object__find_map_by_name(gate->object, name));
}

/* A client of its own for each number. */
static struct in6_addr stranger(unsigned number)
{
	struct in6_addr a = address("198.18.0.0");

	a.s6_addr[13] = (uint8_t)(18 + (number >> 16));
	a.s6_addr[14] = (uint8_t)(number >> 8);
	a.s6_addr[15] = (uint8_t)number;
	return a;
}

/* `count` new clients, each from an address of its own; gives how many were handed over. */
static unsigned crowd_at(struct plan *p, unsigned count, uint16_t port)
{
	unsigned handed = 0;

	for (unsigned i = 0; i < count; i++) {
		struct in6_addr a = stranger(i);

		if (i % 512 == 0) { /* the heartbeat */
			p->heartbeat_us = clock_monotonic_us();
			gate_push(gate, p, 0, false);
		}
		handed += (unsigned)handed_over(&a, port);
	}
	return handed;
}

static unsigned crowd(struct plan *p, unsigned count)
{
	return crowd_at(p, count, 2000);
}

static void tickets_full_let_everybody_pass_and_none_stays(void **state)
{
	struct plan p = quiet_plan();
	uint64_t full;

	need_run();
	give_back_tickets();
	full = gate->state->passed_full;
	assert_int_equal(crowd(&p, GATE_TICKETS + 500), 0);
	assert_int_equal(gate->state->used, GATE_TICKETS);
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
	assert_int_equal(gate->state->used, 10);
	give_back_tickets();
	assert_int_equal(entries(MAP_HELD, sizeof(uint64_t)), GATE_SOURCES);
	for (uint64_t i = 0; i < GATE_SOURCES; i++) {
		uint64_t key = UINT64_C(0x20010db800000000) + i;

		assert_int_equal(bpf_map_delete_elem(gate->map[MAP_HELD], &key), 0);
	}
}

/* The kernel forgets old ranks and old refusals for new ones: nobody passes or falls for that. */
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
	assert_int_equal(gate->state->used, 0);
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

/* Verdict first: only who is refused now, was told in this epoch, is not trusted and not at its
 * promised turn is reset. */
static void who_was_told_is_reset_and_nobody_else(void **state)
{
	struct in6_addr a = address("192.0.2.70"), other = address("192.0.2.71");
	struct gate_network trusted = { .address = a, .bits = 128 };
	struct plan_source due = { .band = PLAN_BAND_PROMISED }, absent = { .band = PLAN_BAND_NEW };
	struct plan p = quiet_plan();
	uint64_t group = plan_group(a.s6_addr), before;
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
	assert_int_equal(gate->state->used, 0);
	/* A handshake that the responder has begun goes on: its cookie's ACK is looked up again. */
	port = next_port();
	is_told(&a, 4);
	assert_int_equal(fate_of(&a, port), HANDED_OVER); /* another epoch */
	is_told(&a, 5);
	assert_int_equal(fate_of(&a, port), HANDED_OVER);
	/* Who has a ticket passes. */
	p.service[1].window = PLAN_UNLIMITED;
	fresh(&p);
	port = next_port();
	assert_int_equal(fate_of(&a, port), PASSES);
	p.service[1].window = 0;
	fresh(&p);
	assert_int_equal(fate_of(&a, port), PASSES);
	give_back_tickets();
	/* Trusted, though refused: a drain. */
	assert_int_equal(gate_trusted(gate, &trusted, 1), 0);
	p.order = PLAN_DRAIN;
	fresh(&p);
	assert_int_equal(fate_of(&a, next_port()), HANDED_OVER);
	assert_int_equal(gate_trusted(gate, NULL, 0), 0);
	assert_int_equal(fate_of(&a, next_port()), IS_RESET);
	p.order = PLAN_SERVE;
	/* At its promised turn. */
	due.group = group;
	p.service[1].window = 0;
	p.service[1].ungreeted_max = 0;
	fresh(&p);
	is_told(&a, 5);
	assert_int_equal(gate_ranks(gate, &group, &due, 1, &absent), 0);
	p.mode = PLAN_ENFORCE;
	p.service[1].rate_milli = 0;
	fresh(&p);
	gate->state->used = 1000;
	assert_int_equal(fate_of(&a, next_port()), HANDED_OVER);
	gate->state->used = 0;
	gate->state->ranked = 0;
	/* Counting only, paused, an old plan: everybody passes. */
	p.mode = PLAN_OBSERVE;
	fresh(&p);
	assert_int_equal(fate_of(&a, next_port()), PASSES);
	p.mode = PLAN_ENFORCE;
	fresh(&p);
	gate_pause(gate, true);
	assert_int_equal(fate_of(&a, next_port()), PASSES);
	gate_pause(gate, false);
	p.heartbeat_us = clock_monotonic_us() - PLAN_STALE_US - 1000000;
	gate_push(gate, &p, 0, false);
	assert_int_equal(fate_of(&a, next_port()), PASSES);
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

/* ---- sessions of real sockets --------------------------------------------------------------- */

struct pair {
	int client, server;
};

static int mta = -1;

static void mta_open(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons(PORT),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int one = 1;

	mta = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(mta, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	assert_int_equal(bind(mta, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(mta, 64), 0);
	gate->state->loopback = 1;
}

static void mta_close(void)
{
	gate->state->loopback = 0;
	close(mta);
}

static struct pair connection(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons(PORT),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct pair p = { .client = socket(AF_INET, SOCK_STREAM, 0) };

	assert_int_equal(connect(p.client, (struct sockaddr *)&a, sizeof(a)), 0);
	p.server = accept(mta, NULL, NULL);
	assert_true(p.server >= 0);
	return p;
}

/* The server first: its close is the event. */
static void end(const struct pair *p)
{
	close(p->server);
	close(p->client);
}

static void sessions_full_are_served_and_hold_no_place(void **state)
{
	/* Ours are none that the walk might take for lost. */
	struct gate_session ours = { .flags = GATE_UNCOUNTED, .opened_ns = UINT64_MAX };
	struct plan p = quiet_plan();
	struct pair pair[20];
	uint64_t lost;

	need_gate();
	mta_open();
	for (uint64_t key = 1; key <= GATE_SESSIONS; key++)
		assert_int_equal(
			bpf_map_update_elem(gate->map[MAP_SESSIONS], &key, &ours, BPF_NOEXIST), 0);
	lost = gate->state->sessions_lost;
	for (int i = 0; i < 20; i++) {
		fresh(&p);
		pair[i] = connection();
	}
	assert_int_equal(gate->state->sessions_lost - lost, 20);
	assert_int_equal(gate->state->used, 0);
	assert_int_equal(gate->state->sessions, 0);
	assert_int_equal(entries(MAP_TICKETS, sizeof(struct smtp_tuple)), 0);
	for (int i = 0; i < 20; i++)
		end(&pair[i]);
	for (uint64_t key = 1; key <= GATE_SESSIONS; key++)
		assert_int_equal(bpf_map_delete_elem(gate->map[MAP_SESSIONS], &key), 0);
	fresh(&p);
	pair[0] = connection();
	assert_int_equal(gate->state->used, 1);
	assert_int_equal(gate->state->sessions, 1);
	end(&pair[0]);
	assert_int_equal(gate->state->used, 0);
	assert_int_equal(gate->state->sessions, 0);
	assert_int_equal(entries(MAP_HELD, sizeof(uint64_t)), 0);
	mta_close();
}

static void detach(enum gate_link which)
{
	close(gate->link[which]);
	gate->link[which] = -1;
}

static void attach_again(enum gate_link which, const char *name)
{
	struct bpf_program *p = bpf_object__find_program_by_name(gate->object, name);

	gate->link[which] = bpf_raw_tracepoint_open(NULL, bpf_program__fd(p));
	assert_true(gate->link[which] >= 0);
}

static void a_lost_close_is_made_good_when_the_socket_goes(void **state)
{
	struct plan p = quiet_plan();
	struct pair pair[10];

	need_gate();
	mta_open();
	for (int i = 0; i < 10; i++) {
		fresh(&p);
		pair[i] = connection();
	}
	assert_int_equal(gate->state->used, 10);
	detach(LINK_STATE);
	/* The client first, so that the server's socket is destroyed with the last ACK. */
	for (int i = 0; i < 10; i++) {
		close(pair[i].client);
		close(pair[i].server);
	}
	for (int i = 0; i < 6000 && gate->state->used; i++)
		usleep(10000);
	attach_again(LINK_STATE, "gate_state");
	assert_int_equal(gate->state->used, 0);
	assert_int_equal(gate->state->sessions, 0);
	assert_int_equal(entries(MAP_HELD, sizeof(uint64_t)), 0);
	mta_close();
}

static void the_walk_makes_good_what_no_event_told(void **state)
{
	struct plan p = quiet_plan();
	struct pair before[10], meanwhile[7];

	need_gate();
	mta_open();
	for (int i = 0; i < 10; i++) {
		fresh(&p);
		before[i] = connection();
	}
	assert_int_equal(gate->state->used, 10);
	detach(LINK_STATE);
	detach(LINK_DESTROY);
	for (int i = 0; i < 6; i++)
		end(&before[i]);
	gate->state->enabled = 0; /* no tickets either: these are unknown altogether */
	for (int i = 0; i < 7; i++)
		meanwhile[i] = connection();
	gate->state->enabled = 1;
	assert_int_equal(gate->state->used, 10); /* wrong in both directions */
	attach_again(LINK_STATE, "gate_state");
	attach_again(LINK_DESTROY, "gate_destroy");
	/* The audit's own thread may have been first with some. */
	assert_true(gate_audit(gate) >= 0);
	assert_int_equal(gate->state->used, 4 + 7);
	assert_int_equal(gate->state->sessions, 4 + 7);
	for (int i = 6; i < 10; i++)
		end(&before[i]);
	for (int i = 0; i < 7; i++)
		end(&meanwhile[i]);
	assert_int_equal(gate->state->used, 0);
	assert_int_equal(gate->state->sessions, 0);
	assert_int_equal(entries(MAP_SESSIONS, sizeof(uint64_t)), 0);
	assert_int_equal(entries(MAP_HELD, sizeof(uint64_t)), 0);
	mta_close();
}

/* ---- sessions that wait for their greeting -------------------------------------------------- */

/* The gate again, with the probe's count. */
static struct kernel *open_with_probe(void)
{
	struct gate_options o = { .service = 1, .ports = { PORT }, .netns_fd = -1 };
	struct kernel *kernel = NULL;
	struct config config;

	config_defaults(&config);
	memset(config.service[0].ports, 0, sizeof(config.service[0].ports));
	config.service[1] = config.service[0];
	config.services = 2;
	config.service[1].ports[0] = PORT;
	if (kernel_open(&config, &kernel, why) < 0)
		return NULL;
	assert_int_equal(kernel_smtp_live(kernel, 1, &o.live), 0);
	gate_close(gate, false);
	gate = NULL;
	o.listener_v4 = listener(AF_INET);
	o.listener_v6 = listener(AF_INET6);
	assert_int_equal(gate_open(&o, &gate, why), 0);
	return kernel;
}

/* One more client: whether the server got it. */
static bool reaches_the_server(struct pair *p)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons(PORT),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	p->client = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(p->client, (struct sockaddr *)&a, sizeof(a)), 0);
	p->server = accept4(mta, NULL, NULL, SOCK_NONBLOCK);
	return p->server >= 0;
}

static unsigned reach(struct pair *pair, unsigned clients)
{
	unsigned n = 0;

	for (unsigned i = 0; i < clients; i++) {
		if (reaches_the_server(&pair[n]))
			n++;
		else
			close(pair[n].client);
	}
	return n;
}

static void greet(const struct pair *p)
{
	char line[64];

	assert_int_equal(send(p->server, "220 x\r\n", 7, 0), 7);
	assert_true(recv(p->client, line, sizeof(line), 0) > 0);
	/* Kernels before 6.3 see it when the client's next segment comes. */
	assert_int_equal(send(p->client, "EHLO x\r\n", 8, 0), 8);
}

/* The plan is pushed once: everything after it is between two ticks. */
static void who_waits_is_bounded_between_two_ticks(void **state)
{
	struct plan p = quiet_plan();
	struct kernel *kernel;
	struct pair pair[20];
	unsigned handed = 0;

	need_run();
	give_back_tickets();
	kernel = open_with_probe();
	if (!kernel) {
		print_message("# the probe: %s\n", why);
		skip();
	}
	mta_open();
	assert_int_equal(fcntl(mta, F_SETFL, O_NONBLOCK), 0);
	p.service[1].ungreeted_max = 5;
	fresh(&p);
	assert_int_equal(reach(pair, 20), 5); /* a burst */
	greet(&pair[0]);
	greet(&pair[1]);
	greet(&pair[2]);
	assert_int_equal(reach(&pair[5], 20), 3); /* as many as were greeted */
	end(&pair[3]); /* one that was not */
	assert_int_equal(reach(&pair[8], 20), 1);
	for (int i = 0; i < 9; i++)
		if (i != 3)
			end(&pair[i]);
	/* Handshakes that go on count too. */
	fresh(&p);
	for (unsigned i = 0; i < 30; i++) {
		struct in6_addr a = stranger(i);

		handed += (unsigned)handed_over(&a, 3000);
	}
	assert_int_equal(handed, 25);
	give_back_tickets();
	mta_close();
	kernel_close(kernel);
}

/* ---- SYNs that never become sessions -------------------------------------------------------- */

/* The address completes a handshake over loopback, which proves it. */
static void prove(const struct in6_addr *a)
{
	uint64_t key = 0xffff00000000ull | ntohl(a->s6_addr32[3]), now = 1;

	assert_int_equal(bpf_map_update_elem(map_of("proven"), &key, &now, BPF_ANY), 0);
}

static void tickets_of_strangers_count_for_a_share_against_proven_addresses(void **state)
{
	struct in6_addr known = address("192.0.2.200"), other = address("192.0.2.201");
	struct plan p = quiet_plan();
	unsigned in = 0;

	need_run();
	give_back_tickets();
	prove(&known);
	p.service[1].window = 16;
	p.service[1].rate_milli = 1; /* and they take nothing out of the bucket */
	p.service[1].burst_milli = 16000;
	fresh(&p);
	assert_int_equal(crowd_at(&p, 100, 2001), 100 - 16); /* strangers fill the window */
	assert_int_equal(handed_over(&other, next_port()), 1);
	for (int i = 0; i < 20; i++)
		in += !handed_over(&known, next_port());
	assert_int_equal(in, 16 - 2); /* an eighth is the strangers' */
	assert_int_equal(gate->state->unproven, 16);
	assert_int_equal(gate->state->pending, 16 + 14);
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
	/* Nobody's handshake takes so long; the tickets themselves are still there. */
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

static void trusted_tickets_count_against_nobody(void **state)
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
	assert_int_equal(gate->state->used, 0);
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
	assert_int_equal(gate->state->used, 0);
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
		cmocka_unit_test(tickets_full_let_everybody_pass_and_none_stays),
		cmocka_unit_test(sources_full_are_not_limited_and_leave_nothing),
		cmocka_unit_test(ranks_and_refusals_beyond_their_bound_displace_the_oldest),
		cmocka_unit_test(a_refusal_outlives_thirty_thousand_others),
		cmocka_unit_test(who_was_told_is_reset_and_nobody_else),
		cmocka_unit_test(who_was_told_is_bounded),
		cmocka_unit_test(networks_beyond_the_bound_are_as_if_not_there),
		cmocka_unit_test(sessions_full_are_served_and_hold_no_place),
		cmocka_unit_test(a_lost_close_is_made_good_when_the_socket_goes),
		cmocka_unit_test(the_walk_makes_good_what_no_event_told),
		cmocka_unit_test(tickets_of_strangers_count_for_a_share_against_proven_addresses),
		cmocka_unit_test(a_handshake_proves_an_address),
		cmocka_unit_test(tickets_that_failed_count_no_more_for_anybody),
		cmocka_unit_test(trusted_tickets_count_against_nobody),
		cmocka_unit_test(who_was_here_a_moment_ago_is_decided_like_anybody),
		cmocka_unit_test(who_waits_is_bounded_between_two_ticks),
	};

	return cmocka_run_group_tests_name("gate_count", tests, setup, teardown);
}
