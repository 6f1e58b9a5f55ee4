#include "proxy/session.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "core/dialogue.h"
#include "core/turns.h"
#include "proxy/proxy_protocol.h"

#define HEADER_US (5 * US_PER_S) /* for a PROXY header to arrive */
#define FLUSH_US (10 * US_PER_S) /* for the last bytes to leave after one side closed */
#define DRAIN_US (2 * US_PER_S) /* after the last word to a refused client */
#define KEEPALIVE_S 2
#define KEEPALIVE_COUNT 15
#define BACKEND_TRIES 3
#define LINGER_SHORT_US (500 * US_PER_MS) /* past the bound of lingerers */

enum phase {
	PHASE_HEADER, /* a PROXY header is awaited */
	PHASE_CONNECT, /* to the backend */
	PHASE_RELAY,
	PHASE_REFUSE, /* in dialogue with a refused client */
	PHASE_CLOSING, /* said the last word, reading until the client closes */
};

/* One direction of the relay. What could not be written at once waits here, and its source is not read meanwhile. */
struct flow {
	char *pending;
	size_t offset, length;
	bool source_eof, sink_eof;
};

struct session {
	struct proxy *proxy;
	struct session *next, *previous;
	int client_fd, backend_fd;
	struct event *client_read, *client_write, *backend_read, *backend_write;
	struct flow up, down; /* client to backend, backend to client */
	enum phase phase;
	uint64_t opened_us, moved_us, deadline_us; /* deadline: of the phase, 0: none */
	struct proxy_addresses addresses;
	struct turns turns;
	struct dialogue dialogue;
	unsigned tries; /* of the backend, after the first */
	bool in_flight, shadow, waiting, relayed_early, lingers, decided;
};

/* ---- bookkeeping ------------------------------------------------------------------------------------------------ */

/* The integral of busy is kept up to each change of it. */
static void count_busy(struct proxy *p, uint64_t now_us, int change)
{
	struct counts_service *c = proxy_counts(p);

	if (now_us > p->busy_since_us) {
		c->busy_us += c->busy * (now_us - p->busy_since_us);
		p->busy_since_us = now_us;
	}
	c->busy += (uint64_t)(int64_t)change;
}

static void apply_turns(struct session *s, struct turns_change change)
{
	struct counts_service *c = proxy_counts(s->proxy);

	count_busy(s->proxy, s->moved_us, change.busy);
	c->busy_us += change.unseen_busy_us;
	c->completed += change.jobs;
	if (!change.greeted)
		return;
	c->greeted++;
	if (s->waiting) {
		uint64_t us = s->moved_us - s->turns.began_us;

		c->connect_220[counts_slot(us)]++;
		c->connect_220_sum_us += us;
		s->waiting = false;
		c->waiting--;
	}
}

/* The server has closed, or never had it: the session no longer counts. */
static void leave_flight(struct session *s, bool in_order)
{
	struct counts_service *c = proxy_counts(s->proxy);

	if (!s->in_flight)
		return;
	apply_turns(s, turns_end(&s->turns, s->moved_us, in_order));
	s->in_flight = false;
	c->in_flight--;
	c->finished++;
	c->session_us += s->moved_us - s->opened_us;
	c->server_us += s->turns.server_us;
	if (s->shadow)
		c->shadow_in_flight--;
	s->shadow = false;
	if (s->waiting)
		c->waiting--;
	s->waiting = false;
}

static void free_event(struct event **event)
{
	if (*event)
		event_free(*event);
	*event = NULL;
}

static void close_backend(struct session *s, bool in_order)
{
	leave_flight(s, in_order);
	free_event(&s->backend_read);
	free_event(&s->backend_write);
	if (s->backend_fd >= 0)
		close(s->backend_fd);
	s->backend_fd = -1;
}

static void stop_lingering(struct session *s)
{
	if (!s->lingers)
		return;
	s->lingers = false;
	s->proxy->lingering--;
	proxy_counts(s->proxy)->refused_lingering--;
}

static void end_session(struct session *s, bool in_order)
{
	close_backend(s, in_order);
	stop_lingering(s);
	free_event(&s->client_read);
	free_event(&s->client_write);
	if (s->client_fd >= 0)
		close(s->client_fd);
	free(s->up.pending);
	free(s->down.pending);
	if (s->next)
		s->next->previous = s->previous;
	if (s->previous)
		s->previous->next = s->next;
	else
		s->proxy->sessions = s->next;
	s->proxy->session_count--;
	free(s);
}

void session_abort(struct session *session)
{
	end_session(session, false);
}

/* The other side learns of a broken connection as such: by a reset. */
static void reset_and_end(struct session *s)
{
	struct linger hard = { .l_onoff = 1, .l_linger = 0 };

	if (s->client_fd >= 0 && s->phase == PHASE_RELAY)
		setsockopt(s->client_fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	end_session(s, false);
}

/* ---- refusal ---------------------------------------------------------------------------------------------------- */

static void on_client(evutil_socket_t fd, short what, void *context);
static void on_client_writable(evutil_socket_t fd, short what, void *context);

static void say_last_word(struct session *s)
{
	shutdown(s->client_fd, SHUT_WR);
	s->phase = PHASE_CLOSING;
	s->deadline_us = s->moved_us + DRAIN_US;
}

/* Sends to a refused client; what its socket does not take waits in `down`. */
static void tell(struct session *s, const char *bytes, size_t length)
{
	ssize_t n = s->down.length ? 0 : send(s->client_fd, bytes, length, MSG_NOSIGNAL);

	if (n < 0)
		n = 0;
	if ((size_t)n < length && s->down.length + length < DIALOGUE_OUT) {
		char *grown = realloc(s->down.pending, s->down.length + length);

		if (grown) {
			memcpy(grown + s->down.length, bytes + n, length - (size_t)n);
			s->down.pending = grown;
			s->down.length += length - (size_t)n;
			event_add(s->client_write, NULL);
		}
	}
	if (s->dialogue.done && !s->down.length)
		say_last_word(s);
}

static void refuse(struct session *s, enum reason reason)
{
	struct proxy *p = s->proxy;
	const struct config_service *service = &p->config.service[p->service];
	const struct plan *plan = &p->plan.plan;
	unsigned code = plan->services > p->service ? plan->service[p->service].reply_code
						    : service->reply_code;
	char greeting[REPLY_MAX + 1];
	size_t length;

	close_backend(s, false);
	if (service->tls == TLS_IMPLICIT) { /* nothing can be said in the clear */
		end_session(s, false);
		return;
	}
	s->phase = PHASE_REFUSE;
	s->deadline_us = s->moved_us + p->config.proxy.linger_us;
	if (p->lingering >= p->config.proxy.linger_max || p->draining) {
		code = 421;
		s->deadline_us = s->moved_us + LINGER_SHORT_US;
	} else {
		s->lingers = true;
		p->lingering++;
		proxy_counts(p)->refused_lingering++;
	}
	s->down.offset = s->down.length = 0;
	event_add(s->client_read, NULL);
	length = dialogue_begin(&s->dialogue, code, service->hostname, reason, plan->order_until_us,
				greeting, sizeof(greeting));
	proxy_counts(p)->refused_told++;
	tell(s, greeting, length);
}

static void converse(struct session *s)
{
	char out[DIALOGUE_OUT];
	struct proxy *p = s->proxy;
	ssize_t n = recv(s->client_fd, p->scratch, sizeof(p->scratch), 0);
	size_t length;

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		end_session(s, true);
		return;
	}
	if (n < 0 || s->phase == PHASE_CLOSING)
		return; /* drained, so that close() does not reset what we said */
	length = dialogue_feed(&s->dialogue, p->scratch, (size_t)n, out, sizeof(out));
	if (length || s->dialogue.done)
		tell(s, out, length);
}

/* ---- relay ------------------------------------------------------------------------------------------------------ */

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
	end_session(s, true);
	return true;
}

static void server_closed(struct session *s)
{
	leave_flight(s, true);
	s->deadline_us = s->moved_us + FLUSH_US;
}

static void on_client_eof(struct session *s)
{
	s->up.source_eof = true;
	event_del(s->client_read);
	finish_flow(&s->up, s->backend_fd);
	end_if_over(s);
}

static void relay_up(struct session *s)
{
	struct proxy *p = s->proxy;
	ssize_t n = recv(s->client_fd, p->scratch, sizeof(p->scratch), 0);

	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			end_session(s, false);
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
		apply_turns(s, turns_client(&s->turns, s->moved_us, p->scratch, (size_t)n));
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

static void connect_backend(struct session *s);
static void refuse_admitted(struct session *s);

/* A server whose accept queue overflows forgets a connection that its client holds for made: the server would speak first,
 * so both wait for ever. Keepalive finds it out; nothing was said yet, so another connection takes its place unseen. */
static void lost_before_greeting(struct session *s)
{
	if (s->tries++ == BACKEND_TRIES) {
		refuse_admitted(s);
		return;
	}
	free_event(&s->backend_read);
	free_event(&s->backend_write);
	close(s->backend_fd);
	s->backend_fd = -1;
	event_del(s->client_read);
	free(s->up.pending);
	memset(&s->up, 0, sizeof(s->up));
	s->moved_us = clock_monotonic_us();
	connect_backend(s);
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
			reset_and_end(s);
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
	apply_turns(s, turns_server(&s->turns, s->moved_us, p->scratch, (size_t)n));
	if (push(&s->down, s->client_fd, p->scratch, (size_t)n) < 0) {
		end_session(s, false);
		return;
	}
	if (s->down.length) {
		event_del(s->backend_read);
		event_add(s->client_write, NULL);
	}
}

static void on_client(evutil_socket_t fd, short what, void *context);
static void decide(struct session *s);

static void on_backend(evutil_socket_t fd, short what, void *context)
{
	relay_down(context);
}

/* Admitted, but there is no server for it. */
static void refuse_admitted(struct session *s)
{
	struct counts *counts = s->proxy->counts.counts;

	proxy_counts(s->proxy)->deferred++;
	proxy_counts(s->proxy)->deferred_by[REASON_BACKEND]++;
	counts->errors++;
	refuse(s, REASON_BACKEND);
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
		refuse_admitted(s);
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
		apply_turns(s,
			    turns_client(&s->turns, s->moved_us, (char *)first + n, s->up.length));
		n += s->up.length;
		s->relayed_early = true;
	}
	free(s->up.pending);
	memset(&s->up, 0, sizeof(s->up));
	if (n && push(&s->up, s->backend_fd, (const char *)first, n) < 0) {
		end_session(s, false);
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
		end_session(s, false);
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

static void on_client_writable(evutil_socket_t fd, short what, void *context)
{
	struct session *s = context;
	int r = s->down.length ? flush(&s->down, fd) : 1;

	if (r < 0) {
		end_session(s, false);
		return;
	}
	if (r == 0) {
		event_add(s->client_write, NULL);
		return;
	}
	s->moved_us = clock_monotonic_us();
	if (s->phase == PHASE_REFUSE) {
		if (s->dialogue.done)
			say_last_word(s);
		return;
	}
	finish_flow(&s->down, fd);
	if (!end_if_over(s) && s->backend_fd >= 0 && !s->down.source_eof)
		event_add(s->backend_read, NULL);
}

/* ---- verdict ---------------------------------------------------------------------------------------------------- */

static void enter_flight(struct session *s, bool shadow)
{
	struct counts_service *c = proxy_counts(s->proxy);

	s->in_flight = true;
	s->waiting = true;
	s->shadow = shadow;
	c->in_flight++;
	c->waiting++;
	count_busy(s->proxy, s->moved_us, 1);
	if (shadow)
		c->shadow_in_flight++;
	turns_begin(&s->turns, s->moved_us);
}

static void connect_backend(struct session *s)
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
		refuse_admitted(s);
		return;
	}
	event_add(s->backend_write, NULL);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void decide(struct session *s)
{
	struct proxy *p = s->proxy;
	struct counts_service *c = proxy_counts(p);
	uint64_t began_ns = now_ns();
	const struct plan *plan = planview_get(&p->plan, s->moved_us);
	const struct plan_service *service = &plan->service[p->service];
	bool observe = plan->mode == PLAN_OBSERVE;
	struct plan_request request = {
		.now_us = s->moved_us,
		.service = p->service,
		.in_flight = (uint32_t)(observe ? c->shadow_in_flight : c->in_flight),
		.waiting = (uint32_t)c->waiting,
		.tokens_milli = plan_bucket_refill(&p->bucket, service, s->moved_us),
		.score = PLAN_UNLIMITED,
		.trusted = config_trusted(&p->config, &s->addresses.source)
	};
	struct verdict v = plan_decide(plan, &request);

	s->decided = true;
	if (v.admit && p->session_count > p->config.proxy.connections_max) {
		v.admit = 0;
		v.reason = REASON_LIMIT;
	}
	counts_verdict(c, v);
	began_ns = now_ns() - began_ns;
	p->counts.counts->decisions[counts_slot(began_ns)]++;
	p->counts.counts->decision_sum_ns += began_ns;
	if (v.admit) {
		if (!v.would_defer)
			plan_bucket_take(&p->bucket);
		enter_flight(s, !v.would_defer);
		connect_backend(s);
		return;
	}
	refusals_add(&p->refusals, plan->epoch, &s->addresses.source, (enum reason)v.reason);
	refuse(s, (enum reason)v.reason);
}

/* Collects the PROXY header in `up`; what follows it is the client's, and goes to the backend after ours. */
static void read_header(struct session *s)
{
	struct proxy *p = s->proxy;
	struct flow *up = &s->up;
	struct proxy_addresses told = { 0 };
	ssize_t n;
	int r;

	if (!up->pending)
		up->pending = malloc(PROXY_PROTOCOL_MOST);
	n = up->pending ? recv(s->client_fd, up->pending + up->length,
			       PROXY_PROTOCOL_MOST - up->length, 0)
			: -1;
	if (n < 0 && up->pending && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		up->length += (size_t)n;
	r = n > 0 ? proxy_protocol_decode((const uint8_t *)up->pending, up->length, &told)
		  : -EPROTO;
	if (r == 0 && up->length < PROXY_PROTOCOL_MOST)
		return; /* more is to come; the deadline bounds the wait */
	if (r <= 0) {
		if (n > 0)
			p->counts.counts->malformed++;
		end_session(s, false);
		return;
	}
	up->offset = (size_t)r;
	up->length -= (size_t)r;
	if (told.known)
		s->addresses = told;
	event_del(s->client_read);
	s->moved_us = clock_monotonic_us();
	decide(s);
}

static void on_client(evutil_socket_t fd, short what, void *context)
{
	struct session *s = context;

	switch (s->phase) {
	case PHASE_HEADER:
		read_header(s);
		break;
	case PHASE_RELAY:
		relay_up(s);
		break;
	case PHASE_REFUSE:
	case PHASE_CLOSING:
		s->moved_us = clock_monotonic_us();
		converse(s);
		break;
	default:
		break;
	}
}

/* ---- life ------------------------------------------------------------------------------------------------------- */

static void put_address(const struct sockaddr_storage *from, struct in6_addr *ret_address,
			uint16_t *ret_port)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)from;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)from;

	if (from->ss_family == AF_INET) {
		memset(ret_address, 0, sizeof(*ret_address));
		ret_address->s6_addr[10] = ret_address->s6_addr[11] = 0xff;
		memcpy(&ret_address->s6_addr[12], &v4->sin_addr, 4);
		*ret_port = ntohs(v4->sin_port);
	} else if (from->ss_family == AF_INET6) {
		*ret_address = v6->sin6_addr;
		*ret_port = ntohs(v6->sin6_port);
	}
}

void session_new(struct proxy *p, int fd, uint64_t now_us)
{
	struct session *s = calloc(1, sizeof(*s));
	struct sockaddr_storage peer = { 0 }, own = { 0 };
	socklen_t length = sizeof(peer);
	int one = 1;

	if (!s) {
		p->counts.counts->errors++;
		close(fd);
		return;
	}
	s->proxy = p;
	s->client_fd = fd;
	s->backend_fd = -1;
	s->opened_us = s->moved_us = now_us;
	s->next = p->sessions;
	if (s->next)
		s->next->previous = s;
	p->sessions = s;
	p->session_count++;
	if (getpeername(fd, (struct sockaddr *)&peer, &length) == 0)
		put_address(&peer, &s->addresses.source, &s->addresses.source_port);
	length = sizeof(own);
	if (getsockname(fd, (struct sockaddr *)&own, &length) == 0)
		put_address(&own, &s->addresses.destination, &s->addresses.destination_port);
	s->addresses.known = peer.ss_family == AF_INET || peer.ss_family == AF_INET6;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	s->client_read = event_new(p->base, fd, EV_READ | EV_PERSIST, on_client, s);
	s->client_write = event_new(p->base, fd, EV_WRITE, on_client_writable, s);
	if (!s->client_read || !s->client_write) {
		p->counts.counts->errors++;
		end_session(s, false);
		return;
	}
	if (p->config.proxy.accept_proxy_protocol) {
		s->phase = PHASE_HEADER;
		s->deadline_us = now_us + HEADER_US;
		event_add(s->client_read, NULL);
		return;
	}
	decide(s);
}

/* The greeting does not come: the client is told so while it still listens. Not when its bytes went to the server already. */
static bool refuse_late(struct session *s, uint64_t now_us)
{
	struct proxy *p = s->proxy;
	const struct plan *plan = &p->plan.plan;
	const struct plan_service *service = &plan->service[p->service];
	struct counts_service *c = proxy_counts(p);

	if (!s->waiting || s->relayed_early || !service->late_us || plan->mode == PLAN_OBSERVE ||
	    !plan_is_fresh(plan, now_us) || now_us - s->turns.began_us < service->late_us ||
	    config_trusted(&p->config, &s->addresses.source))
		return false;
	c->deferred++;
	c->deferred_by[REASON_LATE]++;
	s->moved_us = now_us;
	refusals_add(&p->refusals, plan->epoch, &s->addresses.source, REASON_LATE);
	refuse(s, REASON_LATE);
	return true;
}

void session_tick(struct session *s, uint64_t now_us)
{
	struct proxy *p = s->proxy;

	if (s->in_flight)
		apply_turns(s, turns_tick(&s->turns, now_us));
	if (s->phase == PHASE_CONNECT && now_us >= s->deadline_us) {
		s->moved_us = now_us;
		proxy_counts(p)->deferred++;
		proxy_counts(p)->deferred_by[REASON_BACKEND]++;
		p->counts.counts->errors++;
		refuse(s, REASON_BACKEND);
		return;
	}
	if (s->phase == PHASE_RELAY && refuse_late(s, now_us))
		return;
	if (s->phase == PHASE_REFUSE && now_us >= s->deadline_us) {
		/* RFC 5321 4.5.3.2.7: a server that gives up on a client says so where it can: by 421. */
		char line[REPLY_MAX + 1];
		size_t n = reply_line(line, sizeof(line), 421, s->dialogue.hostname,
				      (enum reason)s->dialogue.reason, 0);

		s->moved_us = now_us;
		if (!s->dialogue.done && !s->down.length && s->dialogue.code != 421)
			send(s->client_fd, line, n, MSG_NOSIGNAL);
		s->dialogue.done = true;
		say_last_word(s);
		return;
	}
	if ((s->deadline_us && now_us >= s->deadline_us) ||
	    now_us - s->moved_us >= p->config.proxy.idle_us)
		end_session(s, false);
}

struct session *session_next(const struct session *session)
{
	return session->next;
}

uint64_t session_waiting_since(const struct session *session)
{
	return session->waiting ? session->turns.began_us : 0;
}
