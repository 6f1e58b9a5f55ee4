/* Passes bytes both ways between a client and the server, including half-closes. Buffers are
 * bounded: while one side does not take bytes, none are read from the other. Each function returns
 * what comes next, and session.c carries it out. */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/address.h"
#include "base/clock.h"
#include "proxy/session_parts.h"

#define FLUSH_US (10 * US_PER_S) /* for the last bytes to be sent after one side has closed */
#define KEEPALIVE_S 2
#define KEEPALIVE_COUNT 15
#define BACKEND_TRIES 3

/* Whether both sides have closed, and each has what the other sent. Closing before the client could
 * reset the connection, and the client would lose what it has not read. */
static bool is_over(const struct session *s)
{
	return s->up.source_eof && s->down.source_eof && !s->up.length && !s->down.length;
}

static void finish_flow(struct flow *flow, int to_fd)
{
	if (flow->source_eof && !flow->length && !flow->sink_eof && to_fd >= 0) {
		shutdown(to_fd, SHUT_WR);
		flow->sink_eof = true;
	}
}

/* Writes the received bytes; keeps what does not fit. -1: the receiving side is broken, or errno is
 * ENOMEM. */
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

/* 1: all written, 0: some left, -1: broken. */
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

/* Call it when bytes for the server could not be written. The server has reset the connection, as
 * one does that closes without having read everything. What it said before that may still have to
 * be read: relay_down() finds its end. Until then, what the client sends is discarded. */
static enum next server_takes_no_more(struct session *s)
{
	if (errno == ENOMEM)
		return NEXT_BREAK;
	free(s->up.pending);
	s->up.pending = NULL;
	s->up.offset = s->up.length = 0;
	s->up.sink_eof = true;
	s->deadline_us = clock_monotonic_us() + FLUSH_US; /* the client may never read it */
	if (!s->up.source_eof)
		event_add(s->client_read, NULL);
	return NEXT_STAY;
}

static enum next client_closed(struct session *s)
{
	s->up.source_eof = true;
	if (is_over(s)) /* close() tells the server as well as shutdown() would */
		return NEXT_END;
	event_del(s->client_read);
	finish_flow(&s->up, s->backend_fd);
	return NEXT_STAY;
}

enum next relay_up(struct session *s)
{
	struct tally *t = s->tally;
	ssize_t n = recv(s->client_fd, t->scratch, sizeof(t->scratch), 0);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? NEXT_STAY : NEXT_BREAK;
	s->moved_us = clock_monotonic_us();
	if (n == 0)
		return client_closed(s);
	if (s->ungreeted)
		s->relayed_early = true;
	if (s->in_flight)
		flight_track(s, smtp_track_client(&s->track, s->moved_us, t->scratch, (size_t)n));
	if (s->up.sink_eof)
		return NEXT_STAY; /* the other side does not read any more */
	if (push(&s->up, s->backend_fd, t->scratch, (size_t)n) < 0)
		return server_takes_no_more(s);
	if (s->up.length) {
		event_del(s->client_read);
		event_add(s->backend_write, NULL);
	}
	return NEXT_STAY;
}

/* The connection was lost before a greeting. When a server's accept queue overflows, it drops a
 * connection that its client believes established. The server would speak first, so both would wait
 * for ever. Keepalive finds it, and as no byte was sent yet, a new connection can replace it
 * unnoticed. */
static enum next lost_before_greeting(struct session *s)
{
	if (s->tries++ == BACKEND_TRIES)
		return NEXT_SILENT;
	event_del(s->client_read);
	free(s->up.pending);
	memset(&s->up, 0, sizeof(s->up));
	s->moved_us = clock_monotonic_us();
	return NEXT_CONNECT;
}

static enum next server_broke(struct session *s)
{
	if (errno == EAGAIN || errno == EINTR)
		return NEXT_STAY;
	if (s->ungreeted && !s->relayed_early)
		return lost_before_greeting(s);
	return s->ungreeted && s->client_fd >= 0 ? NEXT_SILENT : NEXT_RESET;
}

static enum next server_closed(struct session *s)
{
	/* The server sent nothing. The client gets a reply, since a broken connection would tell it
	 * nothing. */
	if (s->ungreeted && !s->up.source_eof)
		return NEXT_SILENT;
	s->down.source_eof = true;
	flight_leave(s, true);
	if (is_over(s))
		return NEXT_END;
	event_del(s->backend_read);
	s->deadline_us = s->moved_us + FLUSH_US;
	finish_flow(&s->down, s->client_fd);
	return NEXT_STAY;
}

enum next relay_down(struct session *s)
{
	struct tally *t = s->tally;
	ssize_t n = recv(s->backend_fd, t->scratch, sizeof(t->scratch), 0);

	if (n < 0)
		return server_broke(s);
	s->moved_us = clock_monotonic_us();
	if (n == 0)
		return server_closed(s);
	t->heard_us = s->moved_us;
	flight_track(s, smtp_track_server(&s->track, s->moved_us, t->scratch, (size_t)n));
	if (push(&s->down, s->client_fd, t->scratch, (size_t)n) < 0)
		return NEXT_BREAK;
	if (s->down.length) {
		event_del(s->backend_read);
		event_add(s->client_write, NULL);
	}
	return NEXT_STAY;
}

/* To which address of this host the client has connected: only a PROXY header tells it. */
static void note_destination(struct session *s)
{
	struct sockaddr_storage own = { 0 };
	socklen_t length = sizeof(own);

	if (!s->destination_told &&
	    getsockname(s->client_fd, (struct sockaddr *)&own, &length) == 0)
		address_of_socket(&own, &s->addresses.destination, &s->addresses.destination_port);
}

/* The connection to the server is made. */
static enum next begin(struct session *s)
{
	struct tally *t = s->tally;
	uint8_t first[2 * PROXY_PROTOCOL_MAX];
	size_t n = 0;

	s->phase = PHASE_RELAY;
	s->deadline_us = 0;
	event_add(s->client_read, NULL);
	event_add(s->backend_read, NULL);
	if (t->config.proxy.proxy_protocol >= PROXY_PROTOCOL_V1) {
		note_destination(s);
		n = proxy_protocol_encode(t->config.proxy.proxy_protocol == PROXY_PROTOCOL_V1 ? 1
											      : 2,
					  &s->addresses, first);
	}
	if (s->up.length) { /* what came after the client's own PROXY header */
		memcpy(first + n, s->up.pending + s->up.offset, s->up.length);
		flight_track(s, smtp_track_client(&s->track, s->moved_us, (char *)first + n,
						  s->up.length));
		n += s->up.length;
		s->relayed_early = true;
	}
	free(s->up.pending);
	memset(&s->up, 0, sizeof(s->up));
	if (n && push(&s->up, s->backend_fd, (const char *)first, n) < 0)
		return server_takes_no_more(s);
	if (s->up.length) {
		event_del(s->client_read);
		event_add(s->backend_write, NULL);
	}
	return NEXT_STAY;
}

/* On the same host the connection is often made at once, and then there is no need to wait for an
 * event that says so. */
enum next relay_connected(struct session *s)
{
	int r = endpoint_connected(&s->tally->config.proxy.backend, s->backend_fd);

	if (r == -EINPROGRESS) {
		event_add(s->backend_write, NULL);
		return NEXT_STAY;
	}
	s->connect_error = -r;
	if (r == -ETIMEDOUT) /* the kernel has sent its last SYN */
		return NEXT_UNANSWERED;
	return r < 0 ? NEXT_UNREACHABLE : begin(s);
}

enum next relay_backend_writable(struct session *s)
{
	int r;

	if (s->phase == PHASE_CONNECT) {
		s->moved_us = clock_monotonic_us();
		return relay_connected(s);
	}
	r = s->up.length ? flush(&s->up, s->backend_fd) : 1;
	if (r < 0)
		return server_takes_no_more(s);
	if (r == 0) {
		event_add(s->backend_write, NULL);
		return NEXT_STAY;
	}
	s->moved_us = clock_monotonic_us();
	if (is_over(s))
		return NEXT_END;
	finish_flow(&s->up, s->backend_fd);
	if (!s->up.source_eof)
		event_add(s->client_read, NULL);
	return NEXT_STAY;
}

enum next relay_connect(struct session *s)
{
	struct tally *t = s->tally;
	const struct endpoint *backend = &t->config.proxy.backend;
	int one = 1, fd = -EAGAIN;

	s->probes = false;
	if (s->phase != PHASE_CONNECT) /* else it has waited already */
		s->deadline_us = clock_monotonic_us() + t->config.proxy.connect_us;
	s->phase = PHASE_CONNECT;
	if (!t->backend_full)
		fd = endpoint_connect(backend);
	/* The kernel lets a connect() to a full TCP queue wait, and fails one to the full queue of
	 * a UNIX socket. Later sessions do not overtake one that waits. */
	t->backend_full |= fd == -EAGAIN && backend->kind == ENDPOINT_UNIX;
	if (t->backend_full)
		return NEXT_STAY;
	if (fd == -EMFILE || fd == -ENFILE)
		return NEXT_NO_DESCRIPTOR;
	if (fd < 0) {
		s->connect_error = -fd;
		return NEXT_UNREACHABLE;
	}
	s->backend_fd = fd;
	setsockopt(s->backend_fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return NEXT_STAY;
}

/* Not for each connection, since most sessions never pause for so long, and it takes four system
 * calls. The kernel counts KEEPALIVE_S from the last octet in any case. */
void relay_probe(struct session *s)
{
	int one = 1, idle_s = KEEPALIVE_S, count = KEEPALIVE_COUNT;

	s->probes = true;
	setsockopt(s->backend_fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	setsockopt(s->backend_fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
	setsockopt(s->backend_fd, IPPROTO_TCP, TCP_KEEPINTVL, &idle_s, sizeof(idle_s));
	setsockopt(s->backend_fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
}

enum next relay_client_writable(struct session *s)
{
	int r = s->down.length ? flush(&s->down, s->client_fd) : 1;

	if (r < 0)
		return NEXT_BREAK;
	if (r == 0) {
		event_add(s->client_write, NULL);
		return NEXT_STAY;
	}
	s->moved_us = clock_monotonic_us();
	if (s->phase == PHASE_REFUSE || s->phase == PHASE_CLOSING)
		return NEXT_STAY;
	if (is_over(s))
		return NEXT_END;
	finish_flow(&s->down, s->client_fd);
	if (s->backend_fd >= 0 && !s->down.source_eof)
		event_add(s->backend_read, NULL);
	return NEXT_STAY;
}
