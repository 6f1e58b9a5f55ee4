/* The responder's clients: accepts them in batches, greets them at once, talks, ends what takes too
 * long. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "front/responder_parts.h"

#define ACCEPT_BATCH 128 /* accepted at once; then clients in dialogue have their turn */
#define BLOCKED_US (1 * US_PER_S) /* pause after the kernel had no memory or descriptor */
#define MEMORY_SHARE 8 /* while memory is short, linger_max is divided by this */

#define ADD(field) RESPONDER_PUT(r, field, r->view.field + 1)

static const struct plan_service *service_plan(const struct responder *r)
{
	return plan_is_fresh(&r->current, r->now_us) && r->manner.service < r->current.services
		       ? &r->current.service[r->manner.service]
		       : NULL;
}

static unsigned reply_code(const struct responder *r)
{
	const struct plan_service *service = service_plan(r);

	return service ? service->reply_code : r->manner.reply_code;
}

/* Whether the plan may treat clients differently. If not, the reason is the same for all, and there
 * is no need to ask the gate. */
static bool tells_apart(const struct responder *r, const struct plan_service *service)
{
	return service->reserve_256 || service->source_max != PLAN_UNLIMITED || r->manner.sources;
}

/* Why this client was deferred: an order, the client itself, or the reason that holds for all. */
static enum reason reason_of(const struct responder *r, int fd, const struct sockaddr_in6 *peer)
{
	const struct plan_service *service = service_plan(r);
	struct sockaddr_in6 own;
	socklen_t length = sizeof(own);
	enum reason reason = REASON_NONE;

	if (service && r->current.order == PLAN_DRAIN)
		return REASON_DRAIN;
	if (service && r->current.order == PLAN_MAINTENANCE)
		return REASON_MAINTENANCE;
	if (__atomic_load_n(&r->down, __ATOMIC_RELAXED))
		return REASON_BACKEND;
	/* sin_port and sin6_port lie at the same place. */
	if (r->options.reason && (!service || tells_apart(r, service)) &&
	    getsockname(fd, (struct sockaddr *)&own, &length) == 0)
		reason = r->options.reason(r->options.context, &peer->sin6_addr,
					   ntohs(peer->sin6_port), ntohs(own.sin6_port));
	return reason != REASON_NONE || !service ? reason : (enum reason)service->reason;
}

uint32_t responder_linger_max(const struct responder *r)
{
	const struct plan_service *service = service_plan(r);
	uint32_t most = r->manner.linger_max;

	if (service && service->reason == REASON_MEMORY)
		most /= MEMORY_SHARE;
	return most < r->most ? most : r->most;
}

static void go_on(struct responder *r, uint32_t index, enum dialogue_next next)
{
	struct responder_client *c = &r->client[index];

	if (next == DIALOGUE_OVER) {
		ADD(finished);
		responder_release(r, index);
	} else if (next == DIALOGUE_DRAIN && c->queue == QUEUE_LINGER) {
		responder_dequeue(r, index);
		responder_enqueue(r, index, QUEUE_DRAIN, r->now_us + DIALOGUE_DRAIN_US);
	}
}

/* No state is kept for this client: it gets the reply and is closed. */
static void dismiss(struct responder *r, int fd, enum reason reason)
{
	char line[REPLY_MAX + 1];
	size_t n = reply_line(line, sizeof(line), 421, &r->manner.style, reason,
			      r->current.order_until_us);

	ADD(shortened);
	if (send(fd, line, n, MSG_NOSIGNAL | MSG_DONTWAIT | MSG_MORE) == (ssize_t)n)
		ADD(told);
	close(fd);
}

static void welcome(struct responder *r, int fd, enum reason reason)
{
	struct epoll_event event = { .events = EPOLLIN };
	unsigned code = reply_code(r);
	bool full = r->queue[QUEUE_LINGER].count >= responder_linger_max(r);
	bool stopping = __atomic_load_n(&r->stop, __ATOMIC_RELAXED);
	uint32_t index =
		r->limiter.form == REPLY_FULL && !stopping ? responder_reserve(r) : RESPONDER_NONE;
	struct responder_client *c;
	enum dialogue_next next;

	if (index == RESPONDER_NONE) {
		dismiss(r, fd, reason);
		return;
	}
	c = &r->client[index];
	c->fd = fd;
	next = dialogue_io_begin(&c->dialogue, fd, full ? 421 : code, &r->manner.style, reason,
				 r->current.order_until_us);
	ADD(told);
	if (full && code != 421)
		ADD(shortened);
	event.data.u32 = index;
	if (next == DIALOGUE_OVER || epoll_ctl(r->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
		close(fd);
		responder_put_back(r, index);
		return;
	}
	if (next == DIALOGUE_DRAIN)
		responder_enqueue(r, index, QUEUE_DRAIN, r->now_us + DIALOGUE_DRAIN_US);
	else
		responder_enqueue(r, index, QUEUE_LINGER, r->now_us + r->manner.linger_us);
}

static void as_v6(struct sockaddr_storage *address)
{
	struct sockaddr_in v4 = *(struct sockaddr_in *)address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address;

	if (address->ss_family != AF_INET)
		return;
	memset(v6, 0, sizeof(*v6));
	v6->sin6_family = AF_INET6;
	v6->sin6_port = v4.sin_port;
	v6->sin6_addr.s6_addr[10] = v6->sin6_addr.s6_addr[11] = 0xff;
	memcpy(&v6->sin6_addr.s6_addr[12], &v4.sin_addr, 4);
}

static void take(struct responder *r, int fd, struct sockaddr_storage *peer)
{
	ADD(accepted);
	r->accepted_us = r->now_us;
	if (r->manner.mute) {
		close(fd);
		return;
	}
	as_v6(peer);
	welcome(r, fd, reason_of(r, fd, (struct sockaddr_in6 *)peer));
}

/* There is no memory or descriptor for one more client. Answers one client with the reserved
 * descriptor, so that the queue moves, and then pauses. */
static void cannot_accept(struct responder *r, int listener)
{
	int fd;

	ADD(errors);
	r->blocked_until_us = r->now_us + BLOCKED_US;
	close(r->reserve_fd);
	fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0) {
		ADD(accepted);
		dismiss(r, fd, REASON_LIMIT);
	}
	r->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

bool responder_accept(struct responder *r, int listener)
{
	for (int i = 0; i < ACCEPT_BATCH; i++) {
		struct sockaddr_storage peer = { 0 };
		socklen_t length = sizeof(peer);
		int fd = accept4(listener, (struct sockaddr *)&peer, &length,
				 SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			take(r, fd, &peer);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			cannot_accept(r, listener);
		if (errno != ECONNABORTED && errno != EINTR)
			return false;
	}
	return true;
}

void responder_hear(struct responder *r, uint32_t index)
{
	struct responder_client *c = &r->client[index];

	go_on(r, index, dialogue_io_hear(&c->dialogue, c->fd, r->scratch));
}

void responder_expire(struct responder *r)
{
	struct responder_queue *q = &r->queue[QUEUE_LINGER];
	uint32_t index;

	while ((index = q->first) != RESPONDER_NONE && r->now_us >= r->client[index].deadline_us) {
		ADD(expired);
		go_on(r, index,
		      dialogue_io_give_up(&r->client[index].dialogue, r->client[index].fd));
	}
	q = &r->queue[QUEUE_DRAIN];
	while ((index = q->first) != RESPONDER_NONE && r->now_us >= r->client[index].deadline_us)
		responder_release(r, index);
}
