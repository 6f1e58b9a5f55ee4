/* The probes in the kernel load, and the one of SMTP sessions counts. */
#include "kernel_bench.h"

#include <sys/wait.h>

#include "kernel/sockdiag.h"

/* The kernel runs its tracepoints in softirq: the counts follow within moments. */
static void read_until(struct kernel_smtp *s, double in_flight)
{
	for (int i = 0; i < 6000; i++) {
		assert_int_equal(kernel_smtp_read(kernel, 0, clock_monotonic_us(), s), 0);
		if (s->in_flight == in_flight)
			return;
		usleep(10000);
	}
	fail_msg("in flight is %g and not %g", (double)s->in_flight, in_flight);
}

static int dial(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	a.sin_port = htons(config.service[0].ports[0]);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

static void open_session(int *ret_client, int *ret_server)
{
	*ret_client = dial();
	*ret_server = accept(listener, NULL, NULL);
	assert_true(*ret_server >= 0);
}

/* A line from one end of a session to the other, which reads it. */
static void say(int from, int to, const char *line)
{
	size_t length = strlen(line);
	char buffer[64];

	assert_int_equal(write(from, line, length), length);
	assert_int_equal(read(to, buffer, sizeof(buffer)), length);
}

static void every_probe_loads_with_ports_set(void **state)
{
	if (!kernel)
		skip();
	for (int i = 0; i < PROBE__COUNT; i++)
		if (i != PROBE_JBD2 && kernel_probe_why(kernel, (enum kernel_probe)i))
			fail_msg("probe %d: %s", i, kernel_probe_why(kernel, (enum kernel_probe)i));
}

static void a_session_is_counted_from_open_to_the_servers_close(void **state)
{
	struct kernel_smtp before, s;
	int client, server;

	need(PROBE_SMTP);
	read_until(&before, 0);
	open_session(&client, &server);
	read_until(&s, 1);
	assert_true(s.ungreeted == 1 && s.busy == 1);
	usleep(50000); /* so long the server takes */
	say(server, client, "220 x\r\n");
	say(client, server, "QUIT\r\n");
	for (int i = 0; i < 6000 && s.ungreeted; i++) {
		usleep(10000);
		kernel_smtp_read(kernel, 0, clock_monotonic_us(), &s);
	}
	assert_true(s.ungreeted == 0);
	say(server, client, "221 x\r\n");
	shutdown(client, SHUT_WR); /* the client goes: CLOSE_WAIT still counts */
	usleep(50000); /* it stays counted */
	read_until(&s, 1);
	close(server);
	read_until(&s, 0);
	assert_int_equal(s.completed - before.completed, 1);
	close(client);
}

static void read_busy(struct kernel_smtp *s, double busy)
{
	for (int i = 0; i < 6000; i++) {
		kernel_smtp_audit(kernel, clock_monotonic_us());
		assert_int_equal(kernel_smtp_read(kernel, 0, clock_monotonic_us(), s), 0);
		if (s->busy == busy)
			return;
		usleep(10000);
	}
	fail_msg("%g are busy and not %g", s->busy, busy);
}

/* A sender that stalls in the middle of a message is no load: the server sleeps until more
 * comes. */
static void a_stalled_body_is_not_busy(void **state)
{
	struct kernel_smtp s;
	char buffer[64];
	int client, server, status;
	pid_t pid;

	need(PROBE_SMTP);
	read_until(&s, 0);
	open_session(&client, &server);
	say(server, client, "220 x\r\n");
	read_busy(&s, 0);
	/* The server has read all there is and works, asleep or not: that is its turn. */
	say(client, server, "half a");
	read_busy(&s, 1);
	for (int i = 0; i < 20; i++) {
		usleep(5000);
		kernel_smtp_audit(kernel, clock_monotonic_us());
	}
	read_busy(&s, 1);
	/* Now it sleeps in recv(). */
	pid = fork();
	if (pid == 0) {
		alarm(600);
		_exit(read(server, buffer, sizeof(buffer)) == 4 ? 0 : 1);
	}
	read_busy(&s, 0);
	assert_int_equal(write(client, " msg", 4), 4);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	read_busy(&s, 1); /* read, and no process waits: its turn again */
	assert_int_equal(write(server, "250 x\r\n", 7), 7);
	read_busy(&s, 0);
	close(server);
	close(client);
	read_until(&s, 0);
}

/* A client of 127.0.0.`host` that said a line, or none. */
static void open_from(int host, bool speaks, int ends[2])
{
	struct sockaddr_in from = { .sin_family = AF_INET,
				    .sin_addr = { htonl(INADDR_LOOPBACK + (uint32_t)host) } };
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };

	to.sin_port = htons(config.service[0].ports[0]);
	ends[0] = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(ends[0], (struct sockaddr *)&from, sizeof(from)), 0);
	assert_int_equal(connect(ends[0], (struct sockaddr *)&to, sizeof(to)), 0);
	ends[1] = accept(listener, NULL, NULL);
	say(ends[1], ends[0], "220 x\r\n");
	if (speaks)
		say(ends[0], ends[1], "VRFY x\r\n");
}

/* Whether four of six slow sessions of one source stay busy, the other two are stuck, and it stays
 * so. After ten seconds all are stuck, whosesoever they are: then it is not known. */
static bool four_stay_busy(uint64_t asked_us, bool *ret_known)
{
	struct kernel_smtp s = { 0 };
	int seen = 0;

	*ret_known = false;
	while (clock_monotonic_us() < asked_us + 9000000) {
		kernel_smtp_audit(kernel, clock_monotonic_us());
		assert_int_equal(kernel_smtp_read(kernel, 0, clock_monotonic_us(), &s), 0);
		seen = s.busy == 4 && s.stuck == 2 ? seen + 1 : 0;
		*ret_known = clock_monotonic_us() < asked_us + 9000000;
		if (seen == 20)
			return true;
		usleep(20000);
	}
	return false;
}

/* Six clients of twelve that one address makes wait for an answer: no more than four are load. */
static void one_source_holds_a_share_of_the_busy(void **state)
{
	bool known = false, four = false;
	struct kernel_smtp s;
	int ends[12][2];

	need(PROBE_SMTP);
	for (int attempt = 0; attempt < 5 && !known; attempt++) {
		uint64_t asked_us = clock_monotonic_us();

		read_until(&s, 0);
		for (int i = 0; i < 12; i++)
			open_from(i < 6 ? i + 2 : 1, i >= 6, ends[i]);
		read_busy(&s, 6);
		four = four_stay_busy(asked_us, &known);
		for (int i = 0; i < 12; i++) {
			close(ends[i][1]);
			close(ends[i][0]);
		}
		read_until(&s, 0);
	}
	assert_true(known);
	assert_true(four);
}

static void a_marked_refusal_is_no_session(void **state)
{
	struct kernel_smtp before, s;
	struct sockaddr_in a;
	struct in6_addr v6 = IN6ADDR_ANY_INIT;
	socklen_t size = sizeof(a);
	int client, server;

	need(PROBE_SMTP);
	read_until(&before, 0);
	open_session(&client, &server);
	read_until(&s, 1);
	getsockname(client, (struct sockaddr *)&a, &size);
	v6.s6_addr[10] = v6.s6_addr[11] = 0xff;
	memcpy(&v6.s6_addr[12], &a.sin_addr, 4);
	kernel_smtp_mark_refused(kernel, 0, &v6, ntohs(a.sin_port), clock_monotonic_us());
	read_until(&s, 0);
	close(server);
	close(client);
	usleep(100000); /* it stays so */
	read_until(&s, 0);
	assert_int_equal(s.completed, before.completed);
}

/* Opens a session from this port (0: any), marks it as refused at `at_us`, and returns the
 * sockets. */
static uint16_t refuse_from(uint16_t port, uint64_t at_us, int *ret_client, int *ret_server)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons(port),
				 .sin_addr = { htonl(INADDR_LOOPBACK) } };
	const struct in6_addr v6 = { .s6_addr = { [10] = 0xff, 0xff, 127, 0, 0, 1 } };
	socklen_t size = sizeof(a);
	struct kernel_smtp s;
	int one = 1;

	*ret_client = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(*ret_client, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	assert_int_equal(bind(*ret_client, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(getsockname(*ret_client, (struct sockaddr *)&a, &size), 0);
	port = ntohs(a.sin_port);
	a.sin_port = htons(config.service[0].ports[0]);
	assert_int_equal(connect(*ret_client, (struct sockaddr *)&a, sizeof(a)), 0);
	*ret_server = accept(listener, NULL, NULL);
	read_until(&s, 1);
	kernel_smtp_mark_refused(kernel, 0, &v6, port, at_us);
	read_until(&s, 0);
	return port;
}

/* With a reset, after which no side keeps the port. */
static void reset(int client, int server)
{
	const struct linger none = { .l_onoff = 1 };

	setsockopt(client, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
	close(client);
	close(server);
}

/* Two minutes after a refusal it is forgotten. A later one of the same address and port is not. */
static void a_refusal_of_the_same_port_lasts_as_long_as_the_others(void **state)
{
	uint64_t now_us = clock_monotonic_us();
	struct kernel_smtp s;
	int client, server;
	uint16_t port;

	need(PROBE_SMTP);
	read_until(&s, 0);
	port = refuse_from(0, now_us - 121 * US_PER_S, &client, &server);
	reset(client, server);
	usleep(100000); /* it stays so */
	read_until(&s, 0);
	refuse_from(port, now_us, &client, &server);
	kernel_smtp_audit(kernel, clock_monotonic_us());
	assert_int_equal(kernel_smtp_read(kernel, 0, clock_monotonic_us(), &s), 0);
	assert_true(s.in_flight == 0);
	reset(client, server);
	read_until(&s, 0);
}

static void wait_counts(struct kernel *k, double in_flight, double ungreeted, double busy)
{
	struct kernel_smtp s = { 0 };

	for (int i = 0; i < 6000; i++) {
		assert_int_equal(kernel_smtp_read(k, 0, clock_monotonic_us(), &s), 0);
		if (s.in_flight == in_flight && s.ungreeted == ungreeted && s.busy == busy)
			return;
		usleep(10000);
	}
	fail_msg("in flight, waiting, busy are %g %g %g and not %g %g %g", s.in_flight, s.ungreeted,
		 s.busy, in_flight, ungreeted, busy);
}

/* The audit reads the sessions that are open now as the probe wrote them. */
static void an_audit_of_open_sessions_corrects_nothing(void **state)
{
	enum { ALL = 5, GREETED = 2 };
	struct kernel *second;
	struct kernel_smtp s;
	int client[ALL], server[ALL];
	char why[256];

	need(PROBE_SMTP);
	assert_int_equal(kernel_open(&config, &second, why), 0);
	for (int i = 0; i < ALL; i++)
		open_session(&client[i], &server[i]);
	for (int i = 0; i < GREETED; i++)
		say(server[i], client[i], "220 x\r\n");
	wait_counts(second, ALL, ALL - GREETED, ALL - GREETED);
	/* What two of them agree on is corrected. */
	for (uint64_t i = 1; i <= 3; i++)
		assert_int_equal(kernel_smtp_audit(second, clock_monotonic_us() + i * 20000000), 0);
	assert_int_equal(kernel_smtp_read(second, 0, clock_monotonic_us(), &s), 0);
	for (int i = 0; i < ALL; i++) {
		close(client[i]);
		close(server[i]);
	}
	wait_counts(second, 0, 0, 0);
	kernel_close(second);
	read_until(&s, 0);
}

/* penstockd is restarted in the middle of the day: what is open then is counted, once, to its end
 * however it ends. */
static void sessions_of_before_are_taken_over(void **state)
{
	enum { SILENT, IDLE, SPOKE, RESET, ALL };
	struct linger at_once = { 1, 0 };
	struct kernel *second;
	struct kernel_smtp s;
	int client[ALL], server[ALL];
	char why[256];

	need(PROBE_SMTP);
	for (int i = 0; i < ALL; i++)
		open_session(&client[i], &server[i]);
	for (int i = IDLE; i < ALL; i++)
		say(server[i], client[i], "220 x\r\n");
	usleep(30000); /* the times that sock_diag tells are in milliseconds */
	say(client[SPOKE], server[SPOKE], "EHLO x\r\n");
	usleep(30000);
	assert_int_equal(kernel_open(&config, &second, why), 0);
	wait_counts(second, 4, 1, 2);
	assert_int_equal(kernel_smtp_read(second, 0, clock_monotonic_us() + 2000000, &s), 0);
	assert_true(s.oldest_waiting_us > 1900000);
	/* The server greets the one that waited, and answers the one that spoke. */
	say(server[SILENT], client[SILENT], "220 x\r\n");
	say(client[SILENT], server[SILENT], "QUIT\r\n");
	say(server[SPOKE], client[SPOKE], "250 x\r\n");
	say(client[SPOKE], server[SPOKE], "MAIL\r\n");
	say(server[SPOKE], client[SPOKE], "250 x\r\n");
	wait_counts(second, 4, 0, 1);
	/* Ends that are heard of by the seed alone: orderly, and by RST. */
	close(server[IDLE]);
	wait_counts(second, 3, 0, 1);
	setsockopt(client[RESET], SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(client[RESET]);
	wait_counts(second, 2, 0, 1);
	close(server[SILENT]);
	wait_counts(second, 1, 0, 0);
	close(server[SPOKE]);
	wait_counts(second, 0, 0, 0);
	/* Nothing drifts: two audits find nothing to correct. */
	assert_int_equal(kernel_smtp_audit(second, clock_monotonic_us() + 20000000), 0);
	assert_int_equal(kernel_smtp_audit(second, clock_monotonic_us() + 40000000), 0);
	kernel_close(second);
	read_until(&s, 0);
	close(server[RESET]);
	for (int i = 0; i < ALL; i++)
		if (i != RESET)
			close(client[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_probe_loads_with_ports_set),
		cmocka_unit_test(a_session_is_counted_from_open_to_the_servers_close),
		cmocka_unit_test(a_stalled_body_is_not_busy),
		cmocka_unit_test(one_source_holds_a_share_of_the_busy),
		cmocka_unit_test(a_marked_refusal_is_no_session),
		cmocka_unit_test(a_refusal_of_the_same_port_lasts_as_long_as_the_others),
		cmocka_unit_test(an_audit_of_open_sessions_corrects_nothing),
		cmocka_unit_test(sessions_of_before_are_taken_over),
	};

	return cmocka_run_group_tests_name("kernel", tests, setup, teardown);
}
