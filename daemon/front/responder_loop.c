/* The responder's thread: accepts in batches, greets at once, talks, expires. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "front/responder_parts.h"

#define ACCEPT_BATCH 128 /* accepted at once; then clients in dialogue have their turn */
#define EVENTS 256
#define TURN_MS 100 /* the loop runs at least this often: its heartbeat */
#define REST_MS 4 /* from a turn that had something to do to the next one */
#define NICE_STEPS 5 /* lower priority than the tick */
#define BLOCKED_US (1 * US_PER_S) /* pause after the kernel had no memory or descriptor */
#define FAREWELL_US (200 * US_PER_MS) /* longer than most round trips */
#define MEMORY_SHARE 8 /* while memory is short, linger_max is divided by this */

#define PUT(field, value) __atomic_store_n(&r->view.field, (value), __ATOMIC_RELAXED)
#define ADD(field) PUT(field, r->view.field + 1)

static uint32_t in_dialogue(const struct responder *r)
{
	return r->queue[QUEUE_LINGER].count;
}

static void show_queues(struct responder *r)
{
	PUT(lingering, r->queue[QUEUE_LINGER].count);
	PUT(draining, r->queue[QUEUE_DRAIN].count);
}

/* ---- what is said --------------------------------------------------------------------------- */

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

static uint32_t linger_max(const struct responder *r)
{
	const struct plan_service *service = service_plan(r);
	uint32_t most = r->manner.linger_max;

	if (service && service->reason == REASON_MEMORY)
		most /= MEMORY_SHARE;
	return most < r->most ? most : r->most;
}

/* ---- clients -------------------------------------------------------------------------------- */

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
	bool full = in_dialogue(r) >= linger_max(r);
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

/* Returns whether more may wait. */
static bool accept_batch(struct responder *r, int listener)
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

static void expire(struct responder *r)
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

/* ---- the loop ------------------------------------------------------------------------------- */

/* How full the accept queues are; the fuller one counts. On a listening socket, TCP_INFO gives the
 * length of its queue and the limit. */
static double crowd(const struct responder *r)
{
	double most = 0;

	for (int i = 0; i < LISTENERS; i++) {
		struct tcp_info info = { 0 };
		socklen_t length = sizeof(info);
		double part;

		if (r->listener[i] < 0 ||
		    getsockopt(r->listener[i], IPPROTO_TCP, TCP_INFO, &info, &length) < 0 ||
		    !info.tcpi_sacked)
			continue;
		part = (double)info.tcpi_unacked / info.tcpi_sacked;
		most = part > most ? part : most;
	}
	return most;
}

/* Pauses accepting when the CPU share is used up, or the kernel has no memory: new clients wait in
 * the accept queue. */
static void keep_to_share(struct responder *r)
{
	uint64_t cpu_us = clock_read_us(CLOCK_THREAD_CPUTIME_ID), rest_us;
	bool turns = r->now_us >= r->limiter.window_us + LIMITER_WINDOW_US;
	struct pollfd wake = { .fd = r->wake_fd, .events = POLLIN };

	rest_us = cpu_limiter_step(&r->limiter, r->now_us, cpu_us, turns ? crowd(r) : 0);
	PUT(cpu_us, cpu_us);
	__atomic_store(&r->view.cpu_used_ratio, &r->limiter.used, __ATOMIC_RELAXED);
	PUT(form, r->now_us < r->blocked_until_us ? REPLY_BYPASS : r->limiter.form);
	PUT(linger_max, linger_max(r));
	if (rest_us)
		poll(&wake, 1, (int)((rest_us + US_PER_MS - 1) / US_PER_MS));
}

/* Clients that come within a few milliseconds are answered in one turn: a thread that wakes for
 * each of them takes the CPU from the mail server twice for each. The first one is not delayed. In
 * a flood one turn follows the other. */
static void rest(struct responder *r, int events, bool more)
{
	struct pollfd wake = { .fd = r->wake_fd, .events = POLLIN };

	if (events > 0 && events < EVENTS && !more)
		poll(&wake, 1, REST_MS);
}

static void take_news(struct responder *r)
{
	uint64_t count;

	if (read(r->wake_fd, &count, sizeof(count)) < 0)
		return;
	pthread_mutex_lock(&r->manner_lock);
	if (r->manner_changed) {
		r->manner = r->fresh;
		r->limiter.share = r->manner.cpu_ratio;
	}
	r->manner_changed = false;
	pthread_mutex_unlock(&r->manner_lock);
}

static int patience_ms(const struct responder *r)
{
	uint64_t until = r->now_us + TURN_MS * US_PER_MS;

	for (int i = 0; i < QUEUES; i++) {
		uint32_t first = r->queue[i].first;

		if (first != RESPONDER_NONE && r->client[first].deadline_us < until)
			until = r->client[first].deadline_us;
	}
	return until > r->now_us ? (int)((until - r->now_us + US_PER_MS - 1) / US_PER_MS) : 0;
}

static void turn(struct responder *r)
{
	struct epoll_event events[EVENTS];
	int n = epoll_wait(r->epoll_fd, events, EVENTS, patience_ms(r));
	bool more = false;

	r->now_us = clock_monotonic_us();
	PUT(beat_us, r->now_us);
	if (r->now_us >= r->plan_us + 10 * US_PER_MS) {
		plan_read(&r->plan, &r->current);
		r->plan_us = r->now_us;
	}
	for (int i = 0; i < n; i++) {
		uint32_t who = events[i].data.u32;

		if (who == RESPONDER_WAKE)
			take_news(r);
		else if (who >= RESPONDER_LISTENER_0)
			more |= accept_batch(r, r->listener[who - RESPONDER_LISTENER_0]);
		else
			go_on(r, who,
			      dialogue_io_hear(&r->client[who].dialogue, r->client[who].fd,
					       r->scratch));
	}
	expire(r);
	show_queues(r);
	keep_to_share(r);
	rest(r, n, more);
}

/* If the unit gives the tick a high priority (Nice=), this thread comes after the tick and before
 * the MTA, so that a saturated machine still answers. */
static void set_priority(void)
{
	id_t thread = (id_t)syscall(SYS_gettid);
	int nice = getpriority(PRIO_PROCESS, thread);

	if (nice < 0)
		setpriority(PRIO_PROCESS, thread, nice + NICE_STEPS < 0 ? nice + NICE_STEPS : 0);
}

/* When a listener is closed, the kernel resets the connections in its queue and those still in the
 * handshake. So if clients came within the last second, the loop answers for a moment more, and the
 * queue is empty at the end. */
static void say_farewell(struct responder *r)
{
	uint64_t until_us = r->accepted_us && r->now_us < r->accepted_us + US_PER_S
				    ? r->now_us + FAREWELL_US
				    : r->now_us;
	bool over;

	do {
		struct pollfd p[LISTENERS];
		int ready = 0;

		for (int i = 0; i < LISTENERS; i++)
			p[i] = (struct pollfd){ .fd = r->listener[i], .events = POLLIN };
		over = r->now_us >= until_us + FAREWELL_US; /* clients keep coming */
		ready = poll(p, LISTENERS,
			     r->now_us < until_us ? (int)((until_us - r->now_us) / US_PER_MS + 1)
						  : 0);
		for (int i = 0; ready > 0 && i < LISTENERS; i++)
			if (p[i].revents)
				accept_batch(r, r->listener[i]);
		r->now_us = clock_monotonic_us();
		over = over || (ready <= 0 && r->now_us >= until_us);
	} while (!over);
	while (r->queue[QUEUE_LINGER].first != RESPONDER_NONE) {
		uint32_t index = r->queue[QUEUE_LINGER].first;

		dialogue_io_give_up(&r->client[index].dialogue, r->client[index].fd);
		responder_release(r, index);
	}
	while (r->queue[QUEUE_DRAIN].first != RESPONDER_NONE)
		responder_release(r, r->queue[QUEUE_DRAIN].first);
}

void *responder_loop(void *context)
{
	struct responder *r = context;

	r->result = responder_open_sockets(r);
	if (r->result == 0) {
		set_priority();
		r->now_us = clock_monotonic_us();
		r->view.beat_us = r->now_us;
		cpu_limiter_init(&r->limiter, r->manner.cpu_ratio, r->now_us,
				 clock_read_us(CLOCK_THREAD_CPUTIME_ID));
	}
	sem_post(&r->opened);
	if (r->result < 0)
		return NULL;
	while (!__atomic_load_n(&r->stop, __ATOMIC_ACQUIRE))
		turn(r);
	say_farewell(r);
	return NULL;
}
