#include "front/streams.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/endpoint.h"

/* unread answers of a connection: above this nothing more is read from it */
#define UNSENT_MAX 65536

struct stream {
	struct streams *streams; /* may be freed already when `events` is NULL */
	struct stream *next, **previous;
	struct bufferevent *events; /* NULL: the connection is gone, but the stream is held */
	unsigned held;
	bool waits; /* for answers: nothing is read meanwhile */
	bool finished; /* to be closed when all that was written has been sent */
	/* the other side sends no more: finished once everything that came is handled */
	bool ended;
	_Alignas(16) char state[];
};

struct streams {
	struct streams_options options;
	struct event_base *base;
	struct evconnlistener *listener[LISTENERS_MAX];
	struct event *resume;
	struct timeval idle;
	unsigned count;
	struct stream *all;
};

/* Ends the connection. The stream itself is freed when it is no longer held. */
static void stream_free(struct stream *s)
{
	*s->previous = s->next;
	if (s->next)
		s->next->previous = s->previous;
	s->streams->count--;
	bufferevent_free(s->events);
	s->events = NULL;
	if (!s->held)
		free(s);
}

void *stream_state(struct stream *s)
{
	return s->state;
}

void *stream_context(const struct stream *s)
{
	return s->streams->options.context;
}

void stream_write(struct stream *s, const void *bytes, size_t length)
{
	bufferevent_write(s->events, bytes, length);
}

void stream_finish(struct stream *s)
{
	s->finished = true;
}

static void on_flushed(struct bufferevent *events, void *context)
{
	stream_free(context);
}

static void on_broken(struct bufferevent *events, short what, void *context)
{
	stream_free(context);
}

/* Reads nothing more; closes when its answers are sent. */
static void leave(struct stream *s)
{
	s->finished = true;
	bufferevent_disable(s->events, EV_READ);
	if (s->held)
		return;
	if (!evbuffer_get_length(bufferevent_get_output(s->events)))
		stream_free(s);
	else
		bufferevent_setcb(s->events, NULL, on_flushed, on_broken, s);
}

/* 0: goes on, else it leaves. */
static int take(struct stream *s)
{
	const struct streams_options *o = &s->streams->options;
	struct evbuffer *input = bufferevent_get_input(s->events),
			*output = bufferevent_get_output(s->events);

	while (evbuffer_get_length(input) && !s->finished && s->held < o->held_max) {
		size_t length = evbuffer_get_length(input), size = 0;
		const char *bytes = (const char *)evbuffer_pullup(input, -1);
		int r;

		if (evbuffer_get_length(output) > UNSENT_MAX) {
			bufferevent_disable(s->events, EV_READ);
			return 0;
		}
		r = bytes ? o->bytes(s, bytes, length, &size) : -ENOMEM;
		if (r <= 0)
			return r;
		evbuffer_drain(input, size);
	}
	return s->finished;
}

/* libevent calls on_read() again and again while the buffer is full. */
static void wait_for_answers(struct stream *s)
{
	s->waits = s->held && evbuffer_get_length(bufferevent_get_input(s->events)) >
				      s->streams->options.input_max;
	if (s->waits)
		bufferevent_disable(s->events, EV_READ);
}

static void go_on(struct stream *s)
{
	if (s->finished || take(s) != 0 || (s->ended && !s->held))
		leave(s);
	else
		wait_for_answers(s);
}

static void on_read(struct bufferevent *events, void *context)
{
	go_on(context);
}

/* All that was written has been sent: reads what arrived meanwhile. */
static void on_drained(struct bufferevent *events, void *context)
{
	struct stream *s = context;

	if (!s->finished && !s->waits)
		bufferevent_enable(events, EV_READ);
	go_on(s);
}

/* A client that closes only its sending side (nc -N) still gets the answers that are on their
 * way. */
static void on_event(struct bufferevent *events, short what, void *context)
{
	struct stream *s = context;

	if (what & BEV_EVENT_EOF) {
		s->ended = true;
		go_on(s);
	} else {
		stream_free(s);
	}
}

void stream_hold(struct stream *s)
{
	s->held++;
}

bool stream_is_held(const struct stream *s)
{
	return s->held > 0;
}

bool stream_is_open(const struct stream *s)
{
	return s->events != NULL;
}

void stream_release(struct stream *s)
{
	s->held--;
	if (!s->events) {
		if (!s->held)
			free(s);
		return;
	}
	if (s->waits && !s->finished)
		bufferevent_enable(s->events, EV_READ);
	go_on(s);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
		      int length, void *context)
{
	struct streams *all = context;
	const struct streams_options *o = &all->options;
	bool full = all->count >= o->connections_max;
	/* The kernel gives the lowest number that is free. Without the last one no connection could
	 * be closed: all would wait in the queue. */
	bool last = o->descriptors && (unsigned)fd + 1 >= o->descriptors;
	int one = 1;
	struct stream *s = full || last ? NULL : calloc(1, sizeof(*s) + o->state_size);

	/* Answers are short, and must not wait for the acknowledgement of the one before. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (s)
		s->events = bufferevent_socket_new(all->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!s || !s->events) {
		(last ? o->starved : full ? o->full : o->failed)(o->context);
		free(s);
		close(fd);
		return;
	}
	s->streams = all;
	s->next = all->all;
	s->previous = &all->all;
	if (s->next)
		s->next->previous = &s->next;
	all->all = s;
	all->count++;
	bufferevent_setwatermark(s->events, EV_READ, 0, all->options.input_max + 1);
	bufferevent_set_timeouts(s->events, &all->idle, &all->idle);
	bufferevent_setcb(s->events, on_read, on_drained, on_event, s);
	bufferevent_enable(s->events, EV_READ | EV_WRITE);
}

static void on_resume(evutil_socket_t fd, short what, void *context)
{
	struct streams *all = context;

	for (int i = 0; i < LISTENERS_MAX; i++)
		if (all->listener[i])
			evconnlistener_enable(all->listener[i]);
}

/* No descriptor is left: pause, or accept() would be tried without end. */
static void on_accept_error(struct evconnlistener *listener, void *context)
{
	static const struct timeval pause = { 0, 100000 };
	struct streams *all = context;

	/* The socket no longer listens: it will be closed in a moment. */
	if (EVUTIL_SOCKET_ERROR() != EINVAL)
		all->options.failed(all->options.context);
	evconnlistener_disable(listener);
	event_add(all->resume, &pause);
}

void streams_close(struct streams *all)
{
	if (!all)
		return;
	while (all->all)
		stream_free(all->all);
	for (int i = 0; i < LISTENERS_MAX; i++)
		if (all->listener[i])
			evconnlistener_free(all->listener[i]);
	if (all->resume)
		event_free(all->resume);
	free(all);
}

static int listen_all(struct streams *all, const int *fds, unsigned count)
{
	bool failed = false;

	all->resume = evtimer_new(all->base, on_resume, all);
	for (unsigned i = 0; i < count && i < LISTENERS_MAX; i++) {
		all->listener[i] = evconnlistener_new(all->base, on_accept, all,
						      LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC,
						      0, fds[i]);
		if (all->listener[i])
			evconnlistener_set_error_cb(all->listener[i], on_accept_error);
		else
			close(fds[i]);
		failed |= !all->listener[i];
	}
	return failed || !all->resume ? -ENOMEM : 0;
}

int streams_open(struct event_base *base, const struct streams_options *options, const int *fds,
		 unsigned count, struct streams **ret_streams)
{
	struct streams *all = calloc(1, sizeof(*all));

	if (!all) {
		for (unsigned i = 0; i < count; i++)
			close(fds[i]);
		return -ENOMEM;
	}
	all->options = *options;
	all->base = base;
	all->idle.tv_sec = (time_t)(options->idle_us / US_PER_S);
	all->idle.tv_usec = (suseconds_t)(options->idle_us % US_PER_S);
	if (listen_all(all, fds, count) < 0) {
		streams_close(all);
		return -ENOMEM;
	}
	*ret_streams = all;
	return 0;
}
