/* The responder's thread: its loop, its share of the CPU, its end. */
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "front/responder_parts.h"

#define EVENTS 256
#define TURN_MS 100 /* the loop runs at least this often: its heartbeat */
#define REST_MS 4 /* from a turn that had something to do to the next one */
#define NICE_STEPS 5 /* lower priority than the tick */
#define FAREWELL_US (200 * US_PER_MS) /* longer than most round trips */

#define PUT(field, value) RESPONDER_PUT(r, field, value)

static void show_queues(struct responder *r)
{
	PUT(lingering, r->queue[QUEUE_LINGER].count);
	PUT(draining, r->queue[QUEUE_DRAIN].count);
}

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
	bool blocked = r->now_us < r->blocked_until_us;
	struct pollfd wake = { .fd = r->wake_fd, .events = POLLIN };

	rest_us = cpu_limiter_step(&r->limiter, r->now_us, cpu_us, turns ? crowd(r) : 0);
	PUT(cpu_us, cpu_us);
	__atomic_store(&r->view.cpu_used_ratio, &r->limiter.used, __ATOMIC_RELAXED);
	PUT(blocked, blocked);
	PUT(form, blocked ? REPLY_BYPASS : r->limiter.form);
	PUT(linger_max, responder_linger_max(r));
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
			more |= responder_accept(r, r->listener[who - RESPONDER_LISTENER_0]);
		else
			responder_hear(r, who);
	}
	responder_expire(r);
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
				responder_accept(r, r->listener[i]);
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
