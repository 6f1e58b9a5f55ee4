/* How many turns the acceptor needs for a crowd of clients that are all refused. Counted are turns,
 * not time. */
#include "cmocka_test.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "proxy/acceptor.h"
#include "proxy/session.h"

#define CROWD 120 /* fewer than the 128 that old kernels let wait */
#define TURNS_MAX 4 /* two accept 64 clients each; one or two more may find no client */

/* In place of proxy/session.c: each client is refused and hung up at once. */
static unsigned taken, turns;

void session_new(struct tally *t, int fd, const struct sockaddr_storage *peer, uint64_t now_us)
{
	close(fd);
	taken++;
	t->unheard = (struct session *)&taken; /* some client was refused in this turn */
}

void session_hear_refused(struct tally *t, uint64_t now_us)
{
	t->unheard = NULL;
	turns++;
}

static socklen_t fill_address(int family, struct sockaddr_storage *ret)
{
	struct sockaddr_un *un = (struct sockaddr_un *)ret;
	struct sockaddr_in *in = (struct sockaddr_in *)ret;

	memset(ret, 0, sizeof(*ret));
	ret->ss_family = (sa_family_t)family;
	if (family == AF_INET) {
		in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		return sizeof(*in);
	}
	/* an abstract name */
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
			   (size_t)snprintf(un->sun_path + 1, sizeof(un->sun_path) - 1,
					    "penstock-test-acceptor-%d", (int)getpid()));
}

/* Turns until everybody in the queue of a listener of that family is taken. */
static unsigned turns_of(int family)
{
	static struct tally tally;
	struct listeners listeners = { .count = 1 };
	struct acceptor *acceptor = NULL;
	struct sockaddr_storage at;
	socklen_t length = fill_address(family, &at);
	int crowd[CROWD];

	taken = turns = 0;
	memset(&tally, 0, sizeof(tally));
	listeners.fds[0] = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_true(bind(listeners.fds[0], (struct sockaddr *)&at, length) == 0);
	assert_true(listen(listeners.fds[0], CROWD) == 0);
	length = sizeof(at);
	assert_true(getsockname(listeners.fds[0], (struct sockaddr *)&at, &length) == 0);
	for (unsigned i = 0; i < CROWD; i++) {
		crowd[i] = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_true(connect(crowd[i], (struct sockaddr *)&at, length) == 0);
	}
	tally.base = event_base_new();
	assert_int_equal(acceptor_open(&tally, &listeners, &acceptor), 0);
	while (taken < CROWD && turns <= CROWD)
		event_base_loop(tally.base, EVLOOP_ONCE);
	assert_true(taken == CROWD);
	acceptor_stop(acceptor);
	acceptor_close(acceptor);
	event_base_free(tally.base);
	for (unsigned i = 0; i < CROWD; i++)
		close(crowd[i]);
	return turns;
}

static void a_crowd_is_taken_in_few_turns(void **state)
{
	assert_in_range(turns_of(AF_INET), 1, TURNS_MAX);
	assert_in_range(turns_of(AF_UNIX), 1, TURNS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_crowd_is_taken_in_few_turns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
