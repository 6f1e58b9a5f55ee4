#include "cmocka_test.h"

#include <event2/event.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fdpass.h"
#include "front/asked_protocol.h"

static struct event_base *base;
static struct asked_process *process;
static int ours;

static int setup(void **state)
{
	int pair[2];

	base = event_base_new();
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
	assert_int_equal(asked_process_open(base, pair[0], asked_protocols, &process), 0);
	ours = pair[1];
	return 0;
}

static int teardown(void **state)
{
	close(ours);
	asked_process_close(process);
	event_base_free(base);
	return 0;
}

/* The policy service's opening with one listening socket, as penstockd sends it. */
static void send_listener(void)
{
	struct {
		struct asked_head head;
		struct asked_opening opening;
	} m = { .head.word = ASKED_OPEN,
		.opening = { .kind = ASKED_POLICY, .connections_max = 10, .idle_us = 1000000 } };
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 4), 0);
	assert_int_equal(fdpass_send(ours, &m, sizeof(m), &fd, 1), 0);
	close(fd);
}

static void it_goes_on_with_a_listener(void **state)
{
	send_listener();
	assert_int_equal(event_base_loop(base, EVLOOP_NONBLOCK), 0);
	assert_false(event_base_got_break(base));
}

/* A client that connects would wait in its queue for good. */
static void it_ends_when_no_descriptor_is_left_for_a_listener(void **state)
{
	struct rlimit before, none;
	int next;

	send_listener();
	next = dup(0);
	close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = (rlim_t)next;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	event_base_loop(base, EVLOOP_NONBLOCK);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_true(event_base_got_break(base));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(it_goes_on_with_a_listener, setup, teardown),
		cmocka_unit_test_setup_teardown(it_ends_when_no_descriptor_is_left_for_a_listener,
						setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
