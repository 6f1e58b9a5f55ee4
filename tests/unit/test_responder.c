/* The responder by itself, over loopback: clients connect to its own listeners, as the gate would
 * let them. */
#include "cmocka_test.h"

#include <errno.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "front/responder.h"

static struct responder *r;
static struct responder_options options;
static struct plan plan;
static char text[65536];
static enum reason told_reason;

static enum reason reason(void *context, const struct in6_addr *client, uint16_t client_port,
			  uint16_t port)
{
	return IN6_IS_ADDR_V4MAPPED(client) && client_port && port ? told_reason : REASON_NONE;
}

static int setup(void **state)
{
	options = (struct responder_options){ .netns_fd = -1 };
	strcpy(options.manner.style.hostname, "mx.example.org");
	options.manner.reply_code = 451;
	options.manner.linger_max = 64;
	options.manner.linger_us = 60 * US_PER_S;
	options.manner.cpu_ratio = 1;
	plan = (struct plan){ .magic = PLAN_MAGIC, .version = PLAN_VERSION, .services = 1 };
	plan.service[0].reply_code = 451;
	plan.service[0].reason = REASON_CPU;
	told_reason = REASON_NONE;
	return 0;
}

static void start(void)
{
	char why[256] = "";

	if (responder_open(&options, &r, why) < 0)
		fail_msg("%s", why);
}

static int teardown(void **state)
{
	responder_close(r);
	r = NULL;
	return 0;
}

static void push(void)
{
	plan.heartbeat_us = clock_monotonic_us();
	responder_push(r, &plan, false);
	usleep(30000); /* the thread looks every 10 ms */
}

static int dial(int listener)
{
	struct sockaddr_storage address;
	socklen_t length = sizeof(address);
	int fd;

	assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &length), 0);
	fd = socket(address.ss_family, SOCK_STREAM, 0);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, length), 0);
	return fd;
}

/* One line, "" at the end of the stream, "reset" after a reset. */
static const char *hear(int fd)
{
	size_t n = 0;

	while (n < sizeof(text) - 1) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t got;

		assert_int_equal(poll(&p, 1, 30000), 1);
		got = recv(fd, text + n, 1, 0);
		if (got < 0)
			return "reset";
		if (got == 0 || text[n++] == '\n')
			break;
	}
	text[n] = 0;
	return text;
}

static void say(int fd, const char *line)
{
	assert_int_equal(send(fd, line, strlen(line), MSG_NOSIGNAL), strlen(line));
}

static struct responder_view view(void)
{
	struct responder_view v;

	responder_view(r, &v);
	return v;
}

#define LINE "451 4.3.2 mx.example.org overloaded at the moment, come back in a few minutes\r\n"

static void a_client_hears_451_until_it_quits(void **state)
{
	start();
	for (int family = 0; family < 2; family++) {
		int listener = family ? responder_listener_v6(r) : responder_listener_v4(r), fd;

		if (listener < 0)
			continue; /* no IPv6 here */
		fd = dial(listener);
		assert_string_equal(hear(fd), LINE);
		say(fd, "EHLO client.example\r\n");
		assert_string_equal(hear(fd), LINE);
		say(fd, "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n");
		assert_string_equal(hear(fd), LINE);
		assert_string_equal(hear(fd), LINE);
		say(fd, "quit\r\n");
		assert_string_equal(hear(fd), "221 2.0.0 mx.example.org closing connection\r\n");
		assert_string_equal(hear(fd), "");
		close(fd);
	}
}

static void who_talks_first_still_hears_the_reply(void **state)
{
	start();
	for (int i = 0; i < 50; i++) {
		int fd = dial(responder_listener_v4(r));

		say(fd, "EHLO early\r\nQUIT\r\nNOOP\r\n");
		assert_string_equal(hear(fd), LINE);
		assert_string_equal(hear(fd), LINE);
		assert_memory_equal(hear(fd), "221 ", 4);
		assert_string_equal(hear(fd), "");
		close(fd);
	}
}

static void the_reason_chooses_the_words(void **state)
{
	int fd;

	options.reason = reason;
	start();
	push();
	told_reason = REASON_RATE;
	fd = dial(responder_listener_v4(r));
	assert_string_equal(
		hear(fd),
		"451 4.7.1 mx.example.org too much mail from your address, try again later\r\n");
	close(fd);
	plan.order = PLAN_DRAIN;
	push();
	fd = dial(responder_listener_v4(r));
	assert_string_equal(hear(fd), "451 4.3.2 mx.example.org server shutdown in progress\r\n");
	close(fd);
	plan.order = PLAN_SERVE;
	plan.service[0].reply_code = 421;
	told_reason = REASON_CPU;
	push();
	fd = dial(responder_listener_v4(r));
	assert_memory_equal(hear(fd), "421 4.3.2 ", 10);
	assert_string_equal(hear(fd), "");
	close(fd);
}

static void past_the_bound_of_dialogues_it_is_421_and_closed(void **state)
{
	int fd[80];

	start();
	for (int i = 0; i < 80; i++) {
		fd[i] = dial(responder_listener_v4(r));
		assert_memory_equal(hear(fd[i]), i < 64 ? "451 " : "421 ", 4);
		if (i >= 64)
			assert_string_equal(hear(fd[i]), "");
	}
	/* It counts when it has said. */
	for (int i = 0; i < 30000 && (view().lingering != 64 || view().shortened != 16); i++)
		usleep(1000);
	assert_int_equal(view().lingering, 64);
	assert_int_equal(view().shortened, 16);
	/* While memory is short, fewer. */
	for (int i = 0; i < 70; i++)
		close(fd[i]);
	while (view().lingering)
		usleep(1000);
	plan.service[0].reason = REASON_MEMORY;
	push();
	for (int i = 0; i < 10; i++) {
		fd[i] = dial(responder_listener_v4(r));
		assert_memory_equal(hear(fd[i]), i < 8 ? "451 " : "421 ", 4);
	}
	for (int i = 0; i < 80; i++)
		if (i < 10 || i >= 70)
			close(fd[i]);
}

/* Connects while this process may have no further descriptor, and returns the first line. */
static const char *hear_without_descriptors(void)
{
	struct sockaddr_storage address;
	socklen_t length = sizeof(address);
	struct rlimit limit, less;
	int fd;

	assert_int_equal(
		getsockname(responder_listener_v4(r), (struct sockaddr *)&address, &length), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	fd = socket(address.ss_family, SOCK_STREAM, 0); /* the lowest that was free */
	assert_true(fd >= 0);
	less = (struct rlimit){ .rlim_cur = (rlim_t)fd + 1, .rlim_max = limit.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &less), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, length), 0);
	hear(fd);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	close(fd);
	return text;
}

static void without_descriptors_it_is_421_and_the_gate_hears_why(void **state)
{
	char why[160] = "";

	start();
	/* Again, since it takes clients once more after a second. */
	for (int i = 0; i < 1000 && responder_fit(r, clock_monotonic_us(), why); i++) {
		assert_memory_equal(hear_without_descriptors(), "421 ", 4);
		usleep(1000);
	}
	assert_non_null(strstr(why, "no descriptor or memory"));
	assert_null(strstr(why, "CPU"));
}

static void time_is_up_by_421(void **state)
{
	int fd;

	options.manner.linger_us = 200 * US_PER_MS;
	start();
	fd = dial(responder_listener_v4(r));
	assert_string_equal(hear(fd), LINE);
	assert_memory_equal(hear(fd), "421 4.3.2 ", 10);
	assert_string_equal(hear(fd), "");
	/* A client that never closes is closed all the same: writing to it fails in the end. */
	while (view().draining || view().lingering)
		usleep(1000);
	close(fd);
}

static void who_never_reads_and_never_stops_is_bounded(void **state)
{
	static char flood[8192];
	int fd, sent = 0;

	for (size_t i = 0; i < sizeof(flood); i += 2)
		memcpy(flood + i, "x\n", 2);
	start();
	fd = dial(responder_listener_v4(r));
	while (sent < 100000 && send(fd, flood, sizeof(flood), MSG_NOSIGNAL) > 0)
		sent++;
	assert_true(sent < 100000);
	close(fd);
	fd = dial(responder_listener_v4(r));
	assert_string_equal(hear(fd), LINE);
	close(fd);
}

static void nothing_is_said_where_tls_is_expected(void **state)
{
	int fd;

	options.manner.mute = true;
	start();
	fd = dial(responder_listener_v4(r));
	assert_string_equal(hear(fd), "");
	close(fd);
}

static void another_manner_holds_for_those_who_come(void **state)
{
	struct responder_manner manner = options.manner;
	int fd;

	start();
	strcpy(manner.style.hostname, "mx2.example.org");
	responder_set_manner(r, &manner);
	for (int i = 0; i < 1000; i++) {
		fd = dial(responder_listener_v4(r));
		hear(fd);
		close(fd);
		if (strstr(text, "mx2.example.org"))
			return;
		usleep(1000);
	}
	fail();
}

static void it_beats_and_says_so_when_it_does_not(void **state)
{
	char why[160];
	uint64_t now_us;

	start();
	now_us = clock_monotonic_us();
	assert_true(responder_fit(r, now_us, why));
	assert_false(responder_fit(r, now_us + 10 * US_PER_S, why));
	assert_non_null(strstr(why, "has not turned"));
	assert_false(responder_hangs(r, now_us, why));
	assert_true(responder_hangs(r, now_us + 10 * US_PER_S, why));
}

/* A responder that has used its share of the CPU leaves clients in its queue. */
static void a_client_in_the_queue_is_told_when_it_ends(void **state)
{
	int fd[20];

	options.manner.cpu_ratio = .0001;
	start();
	close(dial(responder_listener_v4(r)));
	usleep(20000); /* it has used its share by then */
	for (unsigned i = 0; i < 20; i++)
		fd[i] = dial(responder_listener_v4(r));
	responder_close(r);
	r = NULL;
	for (unsigned i = 0; i < 20; i++) {
		assert_memory_equal(hear(fd[i]), "4", 1);
		close(fd[i]);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_client_hears_451_until_it_quits),
		TEST(who_talks_first_still_hears_the_reply),
		TEST(the_reason_chooses_the_words),
		TEST(past_the_bound_of_dialogues_it_is_421_and_closed),
		TEST(without_descriptors_it_is_421_and_the_gate_hears_why),
		TEST(time_is_up_by_421),
		TEST(who_never_reads_and_never_stops_is_bounded),
		TEST(nothing_is_said_where_tls_is_expected),
		TEST(another_manner_holds_for_those_who_come),
		TEST(it_beats_and_says_so_when_it_does_not),
		TEST(a_client_in_the_queue_is_told_when_it_ends),
	};

	return cmocka_run_group_tests_name("responder", tests, NULL, NULL);
}
