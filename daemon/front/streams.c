#include "front/streams.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "refuse/faultlog.h"

#define BACKLOG 1024
#define UNSENT_MAX 65536 /* octets that one connection leaves untaken before it is not read from */

struct stream {
	struct streams *streams;
	struct stream *next, **previous;
	struct bufferevent *events;
	bool finished; /* closed when what was written has gone */
	_Alignas(16) char state[];
};

struct streams {
	struct streams_options options;
	struct event_base *base;
	struct counts *counts;
	struct evconnlistener *listener[LISTENERS_MAX];
	struct event *resume;
	struct timeval idle;
	unsigned count;
	struct faultlog faultlog;
	struct stream *all;
};

static void stream_free(struct stream *s)
{
	*s->previous = s->next;
	if (s->next)
		s->next->previous = s->previous;
	s->streams->count--;
	bufferevent_free(s->events);
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

/* Nothing more is read; it goes when its answers have gone. */
static void leave(struct stream *s)
{
	if (!evbuffer_get_length(bufferevent_get_output(s->events))) {
		stream_free(s);
		return;
	}
	bufferevent_disable(s->events, EV_READ);
	bufferevent_setcb(s->events, NULL, on_flushed, on_broken, s);
}

/* 0: goes on, else it leaves. */
static int take(struct stream *s)
{
	struct evbuffer *input = bufferevent_get_input(s->events),
			*output = bufferevent_get_output(s->events);

	while (evbuffer_get_length(input) && !s->finished) {
		size_t length = evbuffer_get_length(input), size = 0;
		const char *bytes = (const char *)evbuffer_pullup(input, -1);
		int r;

		if (evbuffer_get_length(output) > UNSENT_MAX) {
			bufferevent_disable(s->events, EV_READ);
			return 0;
		}
		r = bytes ? s->streams->options.bytes(s, bytes, length, &size) : -ENOMEM;
		if (r <= 0)
			return r;
		evbuffer_drain(input, size);
	}
	return s->finished;
}

static void on_read(struct bufferevent *events, void *context)
{
	struct stream *s = context;

	if (take(s) != 0)
		leave(s);
}

/* All that was written has been taken: what waited meanwhile is read. */
static void on_drained(struct bufferevent *events, void *context)
{
	bufferevent_enable(events, EV_READ);
	on_read(events, context);
}

/* Who closes the sending side only (nc -N) still gets the answers that are on their way. */
static void on_event(struct bufferevent *events, short what, void *context)
{
	if (what & BEV_EVENT_EOF)
		leave(context);
	else
		stream_free(context);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
		      int length, void *context)
{
	struct streams *all = context;
	bool room = all->count < all->options.connections_max;
	int one = 1;
	struct stream *s = room ? calloc(1, sizeof(*s) + all->options.state_size) : NULL;

	/* Answers are short, and none waits for the acknowledgement of another. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (s)
		s->events = bufferevent_socket_new(all->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!s || !s->events) {
		all->counts->errors++;
		if (!room)
			faultlog_note(&all->faultlog, &all->counts->faults, FAULT_CONNECTIONS,
				      clock_monotonic_us(), all->options.section);
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

/* Descriptors ran out: a pause, or accept would be tried for ever. */
static void on_accept_error(struct evconnlistener *listener, void *context)
{
	static const struct timeval pause = { 0, 100000 };
	struct streams *all = context;

	all->counts->errors++;
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
	for (unsigned i = 0; i < all->options.listen.count; i++)
		if (all->options.listen.each[i].kind == ENDPOINT_UNIX)
			unlink(all->options.listen.each[i].address.un.sun_path);
	free(all);
}

static int listen_all(struct streams *all, const int *fds, int count)
{
	bool failed = false;

	all->resume = evtimer_new(all->base, on_resume, all);
	for (int i = 0; i < count; i++) {
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

int streams_open(const struct front_env *env, const struct streams_options *options,
		 struct counts *counts, struct streams **ret_streams, char *why)
{
	struct streams *all = calloc(1, sizeof(*all));
	unsigned mode =
		options->socket_mode[0] ? (unsigned)strtoul(options->socket_mode, NULL, 8) : 0660;
	int fds[LISTENERS_MAX], count;
	const char *which = "";

	if (!all)
		return -ENOMEM;
	count = endpoints_listen(&options->listen, BACKLOG, mode, fds, &which);
	if (count < 0) {
		snprintf(why, 160, "cannot listen on %s.listen = %.64s: %s%s", options->section,
			 which, strerror(-count),
			 count == -EADDRINUSE ? ": another program has it" : "");
		free(all);
		return count;
	}
	all->options = *options;
	all->base = env->base;
	all->counts = counts;
	all->idle.tv_sec = (time_t)(options->idle_us / US_PER_S);
	all->idle.tv_usec = (suseconds_t)(options->idle_us % US_PER_S);
	if (listen_all(all, fds, count) < 0) {
		streams_close(all);
		return -ENOMEM;
	}
	*ret_streams = all;
	return 0;
}

void front_poll_counts(const struct config *config, const struct counts *counts, struct load *load)
{
	for (unsigned i = 0; i < config->services; i++) {
		const struct counts_service *c = &counts->service[i];
		struct load_service *l = &load->service[i];

		if (c->offered == 0)
			continue;
		l->offered += c->offered;
		l->admitted += c->admitted;
		l->deferred += c->deferred;
		l->would_defer += c->would_defer;
		l->known |= LOAD_OFFERED;
	}
}
