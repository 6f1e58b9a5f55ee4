/* The gate in the kernel decides as plan_decide() does in the daemon: the same function on random plans and requests by
 * BPF_PROG_RUN, and the whole program on random clients. In a network namespace of its own. Skipped, with the reason, where BPF
 * is refused. */
#include "cmocka_test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "core/splitmix.h"
#include "kernel/gate_parts.h"

#define PORT 2525
#define ROUNDS 20000

static struct gate *gate;
static char why[256];
static uint64_t seed = 20261124;

static int listener(int family)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };
	uint32_t mark = GATE_MARK;
	int one = 1, fd = socket(family, SOCK_STREAM, 0), r;

	setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark));
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	r = family == AF_INET ? bind(fd, (struct sockaddr *)&v4, sizeof(v4))
			      : bind(fd, (struct sockaddr *)&v6, sizeof(v6));
	if (r < 0 || listen(fd, 64) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static void loopback_up(void)
{
	struct ifreq r = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	ioctl(fd, SIOCSIFFLAGS, &r);
	close(fd);
}

static int setup(void **state)
{
	struct gate_options o = { .service = 1, .ports = { PORT }, .netns_fd = -1 };

	if (unshare(CLONE_NEWNET) < 0) {
		snprintf(why, sizeof(why), "no network namespace can be had: %s", strerror(errno));
		return 0;
	}
	loopback_up();
	o.listener_v4 = listener(AF_INET);
	o.listener_v6 = listener(AF_INET6);
	if (gate_open(&o, &gate, why) < 0)
		gate = NULL;
	return 0;
}

static int teardown(void **state)
{
	gate_close(gate, false);
	return 0;
}

static void need_gate(void)
{
	if (!gate) {
		print_message("# the gate: %s\n", why);
		skip();
	}
}

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
		s->waiting_max = number(10);
		s->rate_milli = number(1000);
		s->burst_milli = number(5000);
		s->source_max = number(5);
		for (int b = 0; b < PLAN_BANDS; b++)
			s->cutoff[b] = any() % 2 ? 0 : (uint32_t)any();
		s->shed = (uint8_t)(any() % 3);
		s->reason = (uint8_t)(any() % REASON__COUNT);
		s->heavy = any() % 2;
	}
}

static void any_request(struct plan_request *r, uint64_t now_us)
{
	memset(r, 0, sizeof(*r));
	r->now_us = now_us;
	r->service = (uint32_t)(any() % (PLAN_SERVICES + 2));
	r->in_flight = number(20);
	r->waiting = number(10);
	r->tokens_milli = number(1000);
	r->score = any() % 3 ? (uint32_t)any() : PLAN_UNLIMITED;
	r->sessions = number(5);
	r->band = (uint8_t)(any() % (PLAN_BANDS + 1));
	r->heavy = (uint8_t)(any() % 3);
	r->trusted = any() % 8 == 0;
	r->refused = any() % 8 == 0;
}

static int run(const char *name, void *ctx, size_t size, void *out)
{
	LIBBPF_OPTS(bpf_test_run_opts, o, .ctx_in = ctx, .ctx_size_in = (uint32_t)size,
		    .ctx_out = out, .ctx_size_out = out ? (uint32_t)size : 0);
	struct bpf_program *p = bpf_object__find_program_by_name(gate->object, name);

	return bpf_prog_test_run_opts(bpf_program__fd(p), &o) < 0 ? -errno : 0;
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

static struct plan quiet_plan(void)
{
	struct plan p = { .magic = PLAN_MAGIC,
			  .version = PLAN_VERSION,
			  .heartbeat_us = clock_monotonic_us(),
			  .salt = 7,
			  .services = 2 };

	for (int i = 0; i < 2; i++)
		p.service[i] = (struct plan_service){ .window = PLAN_UNLIMITED,
						      .waiting_max = PLAN_UNLIMITED,
						      .rate_milli = PLAN_UNLIMITED,
						      .source_max = PLAN_UNLIMITED,
						      .reason = REASON_CPU };
	return p;
}

/* Whether the client is handed to the responder; -1: this kernel cannot run the program by hand (before 5.13). */
static int handed_over(const struct in6_addr *client, uint16_t port)
{
	struct bpf_sk_lookup in = { .protocol = IPPROTO_TCP, .local_port = PORT }, out = { 0 };

	in.remote_port = htons(port);
	if (IN6_IS_ADDR_V4MAPPED(client)) {
		in.family = AF_INET;
		memcpy(&in.remote_ip4, &client->s6_addr[12], 4);
		in.local_ip4 = htonl(0x0a000001);
	} else {
		in.family = AF_INET6;
		memcpy(in.remote_ip6, client, sizeof(in.remote_ip6));
		in.local_ip6[3] = htonl(1);
	}
	if (run("gate_lookup", &in, sizeof(in), &out) < 0)
		return -1;
	return out.cookie != 0;
}

static struct in6_addr address(const char *text)
{
	char mapped[64];
	struct in6_addr a;

	snprintf(mapped, sizeof(mapped), "%s%s", strchr(text, ':') ? "" : "::ffff:", text);
	assert_int_equal(inet_pton(AF_INET6, mapped, &a), 1);
	return a;
}

static uint16_t next_port(void)
{
	static uint16_t port = 1024;

	return port < 1024 ? (port = 1024) : port++;
}

static void need_run(void)
{
	struct in6_addr a = address("192.0.2.1");

	need_gate();
	if (handed_over(&a, next_port()) < 0) {
		print_message(
			"# BPF_PROG_RUN does not take sk_lookup programs here (it does from 5.13)\n");
		skip();
	}
}

static void give_back_tickets(void)
{
	struct counts counts;

	counts_init(&counts, "gate", 0);
	/* Two looks: the first may end before the last ticket. */
	for (int i = 0; i < 40; i++)
		gate_poll(gate, clock_monotonic_us() + 100 * US_PER_S, &counts, NULL, NULL);
	assert_int_equal(gate->state->used, 0);
	gate->sessions_only_until_us = 0;
	gate->state->sessions_only = 0;
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
	assert_int_equal(gate->state->used, 20);
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
	assert_int_equal(gate->state->used, 1);
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

/* Ranks, bands and the tie of the epoch: the same source is in or out alike in the kernel and here, v4 and v6. */
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
	p.service[1].heavy = 1;
	for (int i = 0; i < 400; i++) {
		struct in6_addr a = address(i % 2 ? "10.0.0.77" : "2001:db8::1");
		struct plan_source s = absent;
		struct plan_request r = { .service = 1, .tokens_milli = PLAN_UNLIMITED };
		int its;

		p.salt = any();
		p.heartbeat_us = clock_monotonic_us();
		gate_push(gate, &p, 0, false);
		a.s6_addr[i % 2 ? 14 : 5] = (uint8_t)(i % 100); /* some known, some not */
		s.group = plan_group(a.s6_addr);
		for (int k = 0; k < 64; k++)
			if (groups[k] == s.group)
				s = source[k];
		r.now_us = clock_monotonic_us();
		plan_rank(&p, &s, &r);
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

/* Else an address's count that was written over would stay for ever, and the address be turned away for ever. */
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
		p.heartbeat_us = clock_monotonic_us();
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

static void observe_mode_hands_nobody_over(void **state)
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
	assert_int_equal(gate->state->used, 2); /* the shadow count stops at the window */
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

/* ---- maps that are full ---------------------------------------------------------------------------------------------- */

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
static unsigned crowd(struct plan *p, unsigned count)
{
	unsigned handed = 0;

	for (unsigned i = 0; i < count; i++) {
		struct in6_addr a = stranger(i);

		if (i % 512 == 0) { /* the heartbeat */
			p->heartbeat_us = clock_monotonic_us();
			gate_push(gate, p, 0, false);
		}
		handed += (unsigned)handed_over(&a, 2000);
	}
	return handed;
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

/* ---- sessions of real sockets -------------------------------------------------------------------------------------- */

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

static void fresh(struct plan *p)
{
	p->heartbeat_us = clock_monotonic_us();
	gate_push(gate, p, 0, false);
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
	for (int i = 0; i < 1000 && gate->state->used; i++)
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

/* ---- sessions that wait for their greeting --------------------------------------------------------------------------- */

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
	p.service[1].waiting_max = 5;
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
	p.heartbeat_us -= PLAN_STALE_US + 1000;
	gate_push(gate, &p, 0, false);
	assert_int_equal(handed_over(&a, next_port()), 0);
	p.heartbeat_us = clock_monotonic_us();
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
		cmocka_unit_test(observe_mode_hands_nobody_over),
		cmocka_unit_test(the_bucket_is_the_daemons_bucket),
		cmocka_unit_test(tickets_full_let_everybody_pass_and_none_stays),
		cmocka_unit_test(sources_full_are_not_limited_and_leave_nothing),
		cmocka_unit_test(ranks_and_refusals_beyond_their_bound_displace_the_oldest),
		cmocka_unit_test(networks_beyond_the_bound_are_as_if_not_there),
		cmocka_unit_test(sessions_full_are_served_and_hold_no_place),
		cmocka_unit_test(a_lost_close_is_made_good_when_the_socket_goes),
		cmocka_unit_test(the_walk_makes_good_what_no_event_told),
		cmocka_unit_test(who_waits_is_bounded_between_two_ticks),
		cmocka_unit_test(no_plan_or_a_paused_responder_lets_everybody_pass),
	};

	return cmocka_run_group_tests_name("gate", tests, setup, teardown);
}
