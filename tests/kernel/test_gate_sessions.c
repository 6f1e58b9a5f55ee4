/* The gate's count of real sessions in the kernel: events that are lost, greetings, bursts between
 * two ticks. */
#include "gate_bench.h"

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
	assert_int_equal(gate->state->places_taken, 0);
	assert_int_equal(gate->state->sessions, 0);
	assert_int_equal(entries(MAP_TICKETS, sizeof(struct smtp_tuple)), 0);
	for (int i = 0; i < 20; i++)
		end(&pair[i]);
	for (uint64_t key = 1; key <= GATE_SESSIONS; key++)
		assert_int_equal(bpf_map_delete_elem(gate->map[MAP_SESSIONS], &key), 0);
	fresh(&p);
	pair[0] = connection();
	assert_int_equal(gate->state->places_taken, 1);
	assert_int_equal(gate->state->sessions, 1);
	end(&pair[0]);
	assert_int_equal(gate->state->places_taken, 0);
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
	assert_int_equal(gate->state->places_taken, 10);
	detach(LINK_STATE);
	/* The client first, so that the server's socket is destroyed with the last ACK. */
	for (int i = 0; i < 10; i++) {
		close(pair[i].client);
		close(pair[i].server);
	}
	for (int i = 0; i < 6000 && gate->state->places_taken; i++)
		usleep(10000);
	attach_again(LINK_STATE, "gate_state");
	assert_int_equal(gate->state->places_taken, 0);
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
	assert_int_equal(gate->state->places_taken, 10);
	detach(LINK_STATE);
	detach(LINK_DESTROY);
	for (int i = 0; i < 6; i++)
		end(&before[i]);
	gate->state->enabled = 0; /* no tickets either: these are unknown altogether */
	for (int i = 0; i < 7; i++)
		meanwhile[i] = connection();
	gate->state->enabled = 1;
	assert_int_equal(gate->state->places_taken, 10); /* wrong in both directions */
	attach_again(LINK_STATE, "gate_state");
	attach_again(LINK_DESTROY, "gate_destroy");
	/* The audit's own thread may have been first with some. */
	assert_true(gate_audit(gate) >= 0);
	assert_int_equal(gate->state->places_taken, 4 + 7);
	assert_int_equal(gate->state->sessions, 4 + 7);
	for (int i = 6; i < 10; i++)
		end(&before[i]);
	for (int i = 0; i < 7; i++)
		end(&meanwhile[i]);
	assert_int_equal(gate->state->places_taken, 0);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sessions_full_are_served_and_hold_no_place),
		cmocka_unit_test(a_lost_close_is_made_good_when_the_socket_goes),
		cmocka_unit_test(the_walk_makes_good_what_no_event_told),
		cmocka_unit_test(who_waits_is_bounded_between_two_ticks),
	};

	return cmocka_run_group_tests_name("gate_sessions", tests, setup, teardown);
}
