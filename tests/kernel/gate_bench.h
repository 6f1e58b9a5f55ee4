/* What the tests of the gate in the kernel share: the gate in a network namespace of its own,
 * clients by BPF_PROG_RUN. Skipped, with the reason, where BPF is refused. */
#ifndef PENSTOCK_TESTS_GATE_BENCH_H
#define PENSTOCK_TESTS_GATE_BENCH_H

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
#include "kernel/gate_parts.h"

#define PORT 2525

static struct gate *gate;
static char why[256];

static inline int listener(int family)
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

static inline void loopback_up(void)
{
	struct ifreq r = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	ioctl(fd, SIOCSIFFLAGS, &r);
	close(fd);
}

static inline int setup(void **state)
{
	struct gate_options o = { .service = 1, .ports = { PORT }, .netns_fd = -1 };

	if (unshare(CLONE_NEWNET) < 0) {
		snprintf(why, sizeof(why), "no network namespace can be created: %s",
			 strerror(errno));
		return 0;
	}
	loopback_up();
	o.listener_v4 = listener(AF_INET);
	o.listener_v6 = listener(AF_INET6);
	if (gate_open(&o, &gate, why) < 0)
		gate = NULL;
	return 0;
}

static inline int teardown(void **state)
{
	gate_close(gate, false);
	return 0;
}

static inline void need_gate(void)
{
	if (!gate) {
		print_message("# the gate: %s\n", why);
		skip();
	}
}

static inline int run(const char *name, void *ctx, size_t size, void *out)
{
	LIBBPF_OPTS(bpf_test_run_opts, o, .ctx_in = ctx, .ctx_size_in = (uint32_t)size,
		    .ctx_out = out, .ctx_size_out = out ? (uint32_t)size : 0);
	struct bpf_program *p = bpf_object__find_program_by_name(gate->object, name);

	return bpf_prog_test_run_opts(bpf_program__fd(p), &o) < 0 ? -errno : 0;
}

/* Of a plan that is as young as one may be: it holds for longer, which a slow machine needs. */
static inline uint64_t young(void)
{
	return clock_monotonic_us() + PLAN_STALE_US * 3 / 4;
}

static inline struct plan quiet_plan(void)
{
	struct plan p = { .magic = PLAN_MAGIC,
			  .version = PLAN_VERSION,
			  .heartbeat_us = young(),
			  .salt = 7,
			  .services = 2 };

	for (int i = 0; i < 2; i++)
		p.service[i] = (struct plan_service){ .window = PLAN_UNLIMITED,
						      .ungreeted_max = PLAN_UNLIMITED,
						      .rate_milli = PLAN_UNLIMITED,
						      .source_max = PLAN_UNLIMITED,
						      .source_share = PLAN_UNLIMITED,
						      .reason = REASON_CPU };
	return p;
}

/* What becomes of a client. NO_RUN: this kernel cannot run the program by hand (before 5.13). */
enum fate { NO_RUN = -1, PASSES, HANDED_OVER, IS_RESET };

static inline enum fate fate_of(const struct in6_addr *client, uint16_t port)
{
	struct bpf_program *program = bpf_object__find_program_by_name(gate->object, "gate_lookup");
	LIBBPF_OPTS(bpf_test_run_opts, o);
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
	o.ctx_in = &in;
	o.ctx_out = &out;
	o.ctx_size_in = o.ctx_size_out = sizeof(in);
	if (bpf_prog_test_run_opts(bpf_program__fd(program), &o) < 0)
		return NO_RUN;
	return o.retval == 0 ? IS_RESET : out.cookie ? HANDED_OVER : PASSES;
}

/* Whether the client is handed to the responder; -1 as above. */
static inline int handed_over(const struct in6_addr *client, uint16_t port)
{
	return (int)fate_of(client, port);
}

static inline struct in6_addr address(const char *text)
{
	char mapped[64];
	struct in6_addr a;

	snprintf(mapped, sizeof(mapped), "%s%s", strchr(text, ':') ? "" : "::ffff:", text);
	assert_int_equal(inet_pton(AF_INET6, mapped, &a), 1);
	return a;
}

static inline uint16_t next_port(void)
{
	static uint16_t port = 1024;

	return port < 1024 ? (port = 1024) : port++;
}

static inline void need_run(void)
{
	struct in6_addr a = address("192.0.2.1");

	need_gate();
	if (handed_over(&a, next_port()) < 0) {
		print_message(
			"# BPF_PROG_RUN does not take sk_lookup programs here (it does from 5.13)\n");
		skip();
	}
}

static inline void give_back_tickets(void)
{
	struct counts counts;

	counts_init(&counts, "gate", 0);
	/* Two looks: the first may end before the last ticket. */
	for (int i = 0; i < 40; i++)
		gate_poll(gate, clock_monotonic_us() + 100 * US_PER_S, &counts, NULL, NULL);
	assert_int_equal(gate->state->places_taken, 0);
	assert_int_equal(gate->state->pending, 0);
	assert_int_equal(gate->state->unproven, 0);
	/* Those that failed are forgotten. */
	memset(&gate->judge, 0, sizeof(gate->judge));
	gate->state->pending_then = gate->state->pending_likely = 0;
	gate->state->pending_max = PLAN_UNLIMITED;
}

static inline void fresh(struct plan *p)
{
	p->heartbeat_us = young();
	gate_push(gate, p, 0, false);
}

/* ---- maps and crowds -------------------------------------------------------------------- */

static inline unsigned entries(enum gate_map map, size_t key_size)
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

static inline int map_of(const char *name)
{
	return bpf_map__fd(bpf_object__find_map_by_name(gate->object, name));
}

/* A client of its own for each number. */
static inline struct in6_addr stranger(unsigned number)
{
	struct in6_addr a = address("198.18.0.0");

	a.s6_addr[13] = (uint8_t)(18 + (number >> 16));
	a.s6_addr[14] = (uint8_t)(number >> 8);
	a.s6_addr[15] = (uint8_t)number;
	return a;
}

/* `count` new clients, each from an address of its own; gives how many were handed over. */
static inline unsigned crowd_at(struct plan *p, unsigned count, uint16_t port)
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

static inline unsigned crowd(struct plan *p, unsigned count)
{
	return crowd_at(p, count, 2000);
}

/* ---- sessions of real sockets --------------------------------------------------------------- */

struct pair {
	int client, server;
};

static int mta = -1;

static inline void mta_open(void)
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

static inline void mta_close(void)
{
	gate->state->loopback = 0;
	close(mta);
}

static inline struct pair connection(void)
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
static inline void end(const struct pair *p)
{
	close(p->server);
	close(p->client);
}

#endif
