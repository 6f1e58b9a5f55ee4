/* Bytes both ways between a client and the server, half-closes included, bounded: what one side does not take, the other is
 * not asked for. */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "proxy/session_parts.h"

#define FLUSH_US (10 * US_PER_S) /* for the last bytes to leave after one side closed */
#define KEEPALIVE_S 2
#define KEEPALIVE_COUNT 15
#define BACKEND_TRIES 3

static void finish_flow(struct flow *flow, int to_fd)
{
	if (flow->source_eof && !flow->length && !flow->sink_eof && to_fd >= 0) {
		shutdown(to_fd, SHUT_WR);
		flow->sink_eof = true;
	}
}

/* Writes what came in; keeps the rest. -1: the sink is broken. */
static int push(struct flow *flow, int to_fd, const char *bytes, size_t length)
{
	ssize_t n = send(to_fd, bytes, length, MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN && errno != EINTR)
		return -1;
	if (n < 0)
		n = 0;
	if ((size_t)n == length)
		return 0;
	flow->pending = malloc(length - (size_t)n);
	if (!flow->pending)
		return -1;
	flow->offset = 0;
	flow->length = length - (size_t)n;
	memcpy(flow->pending, bytes + n, flow->length);
	return 0;
}

/* 1: all gone, 0: more to come, -1: broken. */
static int flush(struct flow *flow, int to_fd)
{
	ssize_t n = send(to_fd, flow->pending + flow->offset, flow->length, MSG_NOSIGNAL);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	flow->offset += (size_t)n;
	flow->length -= (size_t)n;
	if (flow->length)
		return 0;
	free(flow->pending);
	flow->pending = NULL;
	flow->offset = 0;
	return 1;
}

/* Both directions have ended, and the client has closed (closing before it does could reset what it has not read yet): so has
 * the session. Returns whether it has. */
static bool end_if_over(struct session *s)
{
	if (!s->up.source_eof || !s->up.sink_eof || !s->down.sink_eof)
		return false;
	session_end(s, true);
	return true;
}

static void server_closed(struct session *s)
{
	session_leave_flight(s, true);
	s->deadline_us = s->moved_us + FLUSH_US;
}

static void on_client_eof(struct session *s)
{
	s->up.source_eof = true;
	event_del(s->client_read);
	finish_flow(&s->up, s->backend_fd);
	end_if_over(s);
}

void relay_up(struct session *s)
{
	struct proxy *p = s->proxy;
	ssize_t n = recv(s->client_fd, p->scratch, sizeof(p->scratch), 0);

	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			session_end(s, false);
		return;
	}
	s->moved_us = clock_monotonic_us();
	if (n == 0) {
		on_client_eof(s);
		return;
	}
	if (s->waiting)
		s->relayed_early = true;
	if (s->in_flight)
		session_apply_turns(s, turns_client(&s->turns, s->moved_us, p->scratch, (size_t)n));
	if (s->up.sink_eof)
		return; /* nobody reads this any more */
	if (push(&s->up, s->backend_fd, p->scratch, (size_t)n) < 0) {
		/* The server reset: what it said before may still be on its way down. */
		s->up.sink_eof = true;
		return;
	}
	if (s->up.length) {
		event_del(s->client_read);
		event_add(s->backend_write, NULL);
	}
}

/* Admitted, but there is no server for it. */
void relay_refuse_admitted(struct session *s)
{
	struct counts *counts = s->proxy->counts.counts;

	proxy_counts(s->proxy)->deferred++;
	proxy_counts(s->proxy)->deferred_by[REASON_BACKEND]++;
	session_tell_late(s);
	counts->errors++;
	session_refuse(s, REASON_BACKEND);
}

/* A server whose accept queue overflows forgets a connection that its client holds for made: the server would speak first,
 * so both wait for ever. Keepalive finds it out; nothing was said yet, so another connection takes its place unseen. */
static void lost_before_greeting(struct session *s)
{
	if (s->tries++ == BACKEND_TRIES) {
		relay_refuse_admitted(s);
		return;
	}
	session_free_event(&s->backend_read);
	session_free_event(&s->backend_write);
	close(s->backend_fd);
	s->backend_fd = -1;
	event_del(s->client_read);
	free(s->up.pending);
	memset(&s->up, 0, sizeof(s->up));
	s->moved_us = clock_monotonic_us();
	relay_connect(s);
}

static void relay_down(struct session *s)
{
	struct proxy *p = s->proxy;
	ssize_t n = recv(s->backend_fd, p->scratch, sizeof(p->scratch), 0);

	if (n < 0) {
		if (errno == EAGAIN || errno == EINTR)
			return;
		if (s->waiting && !s->relayed_early)
			lost_before_greeting(s);
		else
			session_reset(s);
		return;
	}
	s->moved_us = clock_monotonic_us();
	if (n == 0) {
		s->down.source_eof = true;
		event_del(s->backend_read);
		server_closed(s);
		finish_flow(&s->down, s->client_fd);
		end_if_over(s);
		return;
	}
	session_apply_turns(s, turns_server(&s->turns, s->moved_us, p->scratch, (size_t)n));
	if (push(&s->down, s->client_fd, p->scratch, (size_t)n) < 0) {
		session_end(s, false);
		return;
	}
	if (s->down.length) {
		event_del(s->backend_read);
		event_add(s->client_write, NULL);
	}
}

static void on_backend(evutil_socket_t fd, short what, void *context)
{
	relay_down(context);
}

/* The connection to the backend is made, or could not be. */
static void on_connected(struct session *s)
{
	struct proxy *p = s->proxy;
	uint8_t first[2 * PROXY_PROTOCOL_MOST];
	int error = 0;
	socklen_t length = sizeof(error);
	size_t n = 0;

	getsockopt(s->backend_fd, SOL_SOCKET, SO_ERROR, &error, &length);
	s->moved_us = clock_monotonic_us();
	if (error) {
		relay_refuse_admitted(s);
		return;
	}
	s->phase = PHASE_RELAY;
	s->deadline_us = 0;
	event_add(s->client_read, NULL);
	event_add(s->backend_read, NULL);
	if (p->config.proxy.proxy_protocol != PROXY_PROTOCOL_NONE)
		n = proxy_protocol_encode((int)p->config.proxy.proxy_protocol, &s->addresses,
					  first);
	if (s->up.length) { /* what came behind the client's own PROXY header */
		memcpy(first + n, s->up.pending + s->up.offset, s->up.length);
		session_apply_turns(
			s, turns_client(&s->turns, s->moved_us, (char *)first + n, s->up.length));
		n += s->up.length;
		s->relayed_early = true;
	}
	free(s->up.pending);
	memset(&s->up, 0, sizeof(s->up));
	if (n && push(&s->up, s->backend_fd, (const char *)first, n) < 0) {
		session_end(s, false);
		return;
	}
	if (s->up.length) {
		event_del(s->client_read);
		event_add(s->backend_write, NULL);
	}
}

static void on_backend_writable(evutil_socket_t fd, short what, void *context)
{
	struct session *s = context;
	int r;

	if (s->phase == PHASE_CONNECT) {
		on_connected(s);
		return;
	}
	r = s->up.length ? flush(&s->up, fd) : 1;
	if (r < 0) {
		session_end(s, false);
		return;
	}
	if (r == 0) {
		event_add(s->backend_write, NULL);
		return;
	}
	s->moved_us = clock_monotonic_us();
	finish_flow(&s->up, fd);
	if (!end_if_over(s) && !s->up.source_eof)
		event_add(s->client_read, NULL);
}

void relay_connect(struct session *s)
{
	struct proxy *p = s->proxy;
	int one = 1, idle_s = KEEPALIVE_S, count = KEEPALIVE_COUNT;

	s->phase = PHASE_CONNECT;
	s->deadline_us = s->moved_us + p->config.proxy.connect_us;
	s->backend_fd = endpoint_connect(&p->config.proxy.backend);
	if (s->backend_fd >= 0) {
		setsockopt(s->backend_fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		setsockopt(s->backend_fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
		setsockopt(s->backend_fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
		setsockopt(s->backend_fd, IPPROTO_TCP, TCP_KEEPINTVL, &idle_s, sizeof(idle_s));
		setsockopt(s->backend_fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
		s->backend_read =
			event_new(p->base, s->backend_fd, EV_READ | EV_PERSIST, on_backend, s);
		s->backend_write =
			event_new(p->base, s->backend_fd, EV_WRITE, on_backend_writable, s);
	}
	if (s->backend_fd < 0 || !s->backend_read || !s->backend_write) {
		relay_refuse_admitted(s);
		return;
	}
	event_add(s->backend_write, NULL);
}

void relay_client_writable(struct session *s)
{
	int r = s->down.length ? flush(&s->down, s->client_fd) : 1;

	if (r < 0) {
		session_end(s, false);
		return;
	}
	if (r == 0) {
		event_add(s->client_write, NULL);
		return;
	}
	s->moved_us = clock_monotonic_us();
	if (s->phase == PHASE_REFUSE || s->phase == PHASE_CLOSING)
		return;
	finish_flow(&s->down, s->client_fd);
	if (!end_if_over(s) && s->backend_fd >= 0 && !s->down.source_eof)
		event_add(s->backend_read, NULL);
}
