#include "proxy/session.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "proxy/session_parts.h"

#define HEADER_US (5 * US_PER_S) /* for a PROXY header to arrive */

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

void session_apply_turns(struct session *s, struct turns_change change)
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

/* ---- what the daemon is told of the source ---------------------------------------------------------------------- */

static void tell(struct session *s, struct source_event event)
{
	memcpy(event.address, &s->addresses.source, sizeof(event.address));
	event.service = (uint8_t)s->proxy->service;
	eventsfile_put(&s->proxy->events, &event);
}

static void tell_verdict(struct session *s, struct verdict v)
{
	tell(s, (struct source_event){ .kind = SOURCE_ATTEMPT,
				       .admitted = v.admit,
				       .reason = v.reason,
				       .limit = v.limit });
}

void session_tell_late(struct session *s)
{
	tell(s, (struct source_event){ .kind = SOURCE_LATE });
}

static void tell_finished(struct session *s)
{
	tell(s, (struct source_event){ .kind = SOURCE_FINISHED,
				       .server_us = s->turns.server_us < UINT32_MAX
							    ? (uint32_t)s->turns.server_us
							    : UINT32_MAX });
}

/* ---- counts ----------------------------------------------------------------------------------------------------- */

/* The server has closed, or never had it: the session no longer counts. */
void session_leave_flight(struct session *s, bool in_order)
{
	struct counts_service *c = proxy_counts(s->proxy);

	if (!s->in_flight)
		return;
	session_apply_turns(s, turns_end(&s->turns, s->moved_us, in_order));
	s->in_flight = false;
	c->in_flight--;
	peers_remove(&s->proxy->peers, s->addresses.source.s6_addr);
	tell_finished(s);
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

void session_free_event(struct event **event)
{
	if (*event)
		event_free(*event);
	*event = NULL;
}

void session_close_backend(struct session *s, bool in_order)
{
	session_leave_flight(s, in_order);
	session_free_event(&s->backend_read);
	session_free_event(&s->backend_write);
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

void session_end(struct session *s, bool in_order)
{
	session_close_backend(s, in_order);
	stop_lingering(s);
	session_free_event(&s->client_read);
	session_free_event(&s->client_write);
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
	session_end(session, false);
}

/* The other side learns of a broken connection as such: by a reset. */
void session_reset(struct session *s)
{
	struct linger hard = { .l_onoff = 1, .l_linger = 0 };

	if (s->client_fd >= 0 && s->phase == PHASE_RELAY)
		setsockopt(s->client_fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	session_end(s, false);
}

static void enter_flight(struct session *s, bool shadow)
{
	struct counts_service *c = proxy_counts(s->proxy);

	s->in_flight = true;
	s->waiting = true;
	s->shadow = shadow;
	c->in_flight++;
	c->waiting++;
	peers_add(&s->proxy->peers, s->addresses.source.s6_addr);
	count_busy(s->proxy, s->moved_us, 1);
	if (shadow)
		c->shadow_in_flight++;
	turns_begin(&s->turns, s->moved_us);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Puts what is known of the source into the request. */
static void rank(struct session *s, const struct plan *plan, struct plan_request *request)
{
	struct proxy *p = s->proxy;
	const struct in6_addr *address = &s->addresses.source;
	struct plan_source source;

	request->trusted = config_trusted(&p->config, address);
	request->refused = config_refused(&p->config, address);
	request->sessions = peers_count(&p->peers, address->s6_addr);
	request->score = PLAN_UNLIMITED;
	if (sourceview_lookup(&p->sources, address->s6_addr, request->now_us, &source))
		plan_rank(plan, &source, request);
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
	};
	struct verdict v;

	rank(s, plan, &request);
	v = plan_decide(plan, &request);
	s->decided = true;
	if (v.admit && p->session_count > p->config.proxy.connections_max) {
		v.admit = 0;
		v.reason = REASON_LIMIT;
	}
	counts_verdict(c, v);
	tell_verdict(s, v);
	began_ns = now_ns() - began_ns;
	p->counts.counts->decisions[counts_slot(began_ns)]++;
	p->counts.counts->decision_sum_ns += began_ns;
	if (v.admit) {
		if (!v.would_defer)
			plan_bucket_take(&p->bucket);
		enter_flight(s, !v.would_defer);
		relay_connect(s);
		return;
	}
	refusals_add(&p->refusals, plan->epoch, &s->addresses.source, (enum reason)v.reason);
	session_refuse(s, (enum reason)v.reason);
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
		session_end(s, false);
		return;
	}
	up->offset = (size_t)r;
	up->length -= (size_t)r;
	if (told.known)
		s->addresses = told;
	event_del(s->client_read);
	s->moved_us = clock_monotonic_us();
	proxy_mend_counts(p);
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
		session_converse(s);
		break;
	default:
		break;
	}
}

static void on_client_writable(evutil_socket_t fd, short what, void *context)
{
	relay_client_writable(context);
}

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

	proxy_mend_counts(p);
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
		session_end(s, false);
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
	session_tell_late(s);
	s->moved_us = now_us;
	refusals_add(&p->refusals, plan->epoch, &s->addresses.source, REASON_LATE);
	session_refuse(s, REASON_LATE);
	return true;
}

void session_tick(struct session *s, uint64_t now_us)
{
	struct proxy *p = s->proxy;

	if (s->in_flight)
		session_apply_turns(s, turns_tick(&s->turns, now_us));
	if (s->phase == PHASE_CONNECT && now_us >= s->deadline_us) {
		s->moved_us = now_us;
		proxy_counts(p)->deferred++;
		proxy_counts(p)->deferred_by[REASON_BACKEND]++;
		session_tell_late(s);
		p->counts.counts->errors++;
		session_refuse(s, REASON_BACKEND);
		return;
	}
	if (s->phase == PHASE_RELAY && refuse_late(s, now_us))
		return;
	if (s->phase == PHASE_REFUSE && now_us >= s->deadline_us) {
		s->moved_us = now_us;
		session_give_up(s);
		return;
	}
	if ((s->deadline_us && now_us >= s->deadline_us) ||
	    now_us - s->moved_us >= p->config.proxy.idle_us)
		session_end(s, false);
}

void session_recount(const struct session *s, struct counts_service *c)
{
	c->in_flight += s->in_flight;
	c->shadow_in_flight += s->shadow;
	c->waiting += s->waiting;
	c->busy += s->in_flight && s->turns.busy;
	c->refused_lingering += s->lingers;
}

struct session *session_next(const struct session *session)
{
	return session->next;
}

uint64_t session_waiting_since(const struct session *session)
{
	return session->waiting ? session->turns.began_us : 0;
}
