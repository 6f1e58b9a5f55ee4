#include "proxy/acceptor.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "core/reply.h"
#include "proxy/session.h"

#define ACCEPT_BATCH 64
#define PAUSE_MS 100 /* after the descriptors ran out */
#define REST_MS 4 /* from one turn to the next, while clients are refused */

struct acceptor {
	struct tally *tally;
	struct listeners *listeners;
	struct event *events[LISTENERS_MAX], *resume, *turn;
	int reserve_fd;
};

static void watch(struct acceptor *a, bool on)
{
	for (int i = 0; i < a->listeners->count; i++)
		if (!on)
			event_del(a->events[i]);
		else if (!a->tally->draining)
			event_add(a->events[i], NULL);
}

static void pause_accepting(struct acceptor *a)
{
	const struct timeval wait = { 0, PAUSE_MS * 1000 };

	watch(a, false);
	event_add(a->resume, &wait);
}

static bool is_paused(const struct acceptor *a)
{
	return event_pending(a->resume, EV_TIMEOUT, NULL);
}

static void on_resume(evutil_socket_t fd, short what, void *context)
{
	struct acceptor *a = context;

	if (!a->tally->takes_turns)
		watch(a, true);
}

/* No descriptor is left: uses the reserved one to refuse a client in the shortest form. False:
 * there was no client, or the reserve is used up. */
static bool refuse_without_descriptor(struct acceptor *a, int listen_fd, uint64_t now_us)
{
	struct tally *t = a->tally;
	char line[REPLY_MAX + 1];
	size_t n = reply_line(line, sizeof(line), 421, &t->config.service[t->service].reply,
			      REASON_LIMIT, 0);
	int fd;

	if (a->reserve_fd >= 0)
		close(a->reserve_fd);
	fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0) {
		t->counts.counts->errors++;
		tally_fault(t, FAULT_DESCRIPTORS, now_us, NULL);
		tally_counts(t)->offered++;
		tally_counts(t)->deferred++;
		tally_counts(t)->deferred_by[REASON_LIMIT]++;
		if (!t->config.service[t->service].implicit_tls)
			send(fd, line, n, MSG_NOSIGNAL);
		shutdown(fd, SHUT_WR);
		close(fd);
	}
	a->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return fd >= 0;
}

/* How many connections to accept now. To ask costs an eighth of an accept4() that finds none, which
 * makes and drops a socket first. A UNIX socket does not tell: then accept4() finds out. */
static unsigned waiting(int listen_fd)
{
	struct tcp_info info = { 0 };
	socklen_t length = sizeof(info);

	if (getsockopt(listen_fd, IPPROTO_TCP, TCP_INFO, &info, &length) < 0)
		return ACCEPT_BATCH;
	return info.tcpi_unacked < ACCEPT_BATCH ? info.tcpi_unacked : ACCEPT_BATCH;
}

/* Accepts those that wait, and tries it for `least`, as the kernel may not tell of them. Returns
 * whether more may wait. */
static bool accept_batch(struct acceptor *a, int listen_fd, unsigned least)
{
	uint64_t now_us = clock_monotonic_us();
	unsigned told = waiting(listen_fd), count = told > least ? told : least;

	for (unsigned i = 0; i < count; i++) {
		struct sockaddr_storage peer = { 0 };
		socklen_t length = sizeof(peer);
		int fd = accept4(listen_fd, (struct sockaddr *)&peer, &length,
				 SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			session_new(a->tally, fd, &peer, now_us);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE) {
			/* Refuses every client in the queue at once, since any other would wait in
			 * vain. */
			if (refuse_without_descriptor(a, listen_fd, now_us))
				continue;
			if (a->reserve_fd < 0)
				pause_accepting(a);
			return false;
		}
		if (errno == ENOBUFS || errno == ENOMEM)
			pause_accepting(a);
		if (errno != ECONNABORTED && errno != EINTR)
			return false;
	}
	return count == ACCEPT_BATCH;
}

/* Ends a turn. If a client was refused in it, the next one begins after REST_MS, and in a flood
 * (`more` wait) at once. A proxy that wakes for each refused client takes the CPU from the mail
 * server each time. The first client is not delayed. */
static void end_turn(struct acceptor *a, bool more)
{
	const struct timeval wait = { 0, more ? 0 : REST_MS * 1000 };

	a->tally->takes_turns = a->tally->unheard;
	watch(a, !a->tally->takes_turns && !is_paused(a));
	if (a->tally->takes_turns)
		event_add(a->turn, &wait);
}

static void on_accept(evutil_socket_t listen_fd, short what, void *context)
{
	struct acceptor *a = context;

	a->tally->takes_turns = true;
	end_turn(a, accept_batch(a, listen_fd, 1));
}

static void on_turn(evutil_socket_t fd, short what, void *context)
{
	struct acceptor *a = context;
	bool more = false;

	session_hear_refused(a->tally, clock_monotonic_us());
	for (int i = 0; i < a->listeners->count && !is_paused(a); i++)
		more |= accept_batch(a, a->listeners->fds[i], 0);
	end_turn(a, more);
}

int acceptor_open(struct tally *t, struct listeners *listeners, struct acceptor **ret_acceptor)
{
	struct acceptor *a = calloc(1, sizeof(*a));

	*ret_acceptor = a;
	if (!a)
		return -ENOMEM;
	a->tally = t;
	a->listeners = listeners;
	a->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	a->resume = evtimer_new(t->base, on_resume, a);
	a->turn = evtimer_new(t->base, on_turn, a);
	if (!a->resume || !a->turn)
		return -ENOMEM;
	for (int i = 0; i < listeners->count; i++) {
		a->events[i] =
			event_new(t->base, listeners->fds[i], EV_READ | EV_PERSIST, on_accept, a);
		if (!a->events[i] || event_add(a->events[i], NULL) < 0)
			return -ENOMEM;
	}
	return 0;
}

void acceptor_stop(struct acceptor *a)
{
	watch(a, false);
	event_del(a->turn);
	event_del(a->resume);
	a->tally->takes_turns = false;
	session_hear_refused(a->tally, clock_monotonic_us());
	for (int i = 0; i < a->listeners->count; i++) {
		close(a->listeners->fds[i]);
		a->listeners->fds[i] = -1;
	}
}

void acceptor_close(struct acceptor *a)
{
	if (!a)
		return;
	for (int i = 0; i < a->listeners->count; i++)
		if (a->events[i])
			event_free(a->events[i]);
	if (a->resume)
		event_free(a->resume);
	if (a->turn)
		event_free(a->turn);
	if (a->reserve_fd >= 0)
		close(a->reserve_fd);
	free(a);
}
