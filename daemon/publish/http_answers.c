/* penstockd's side of the channel: reads questions of a fixed size and writes documents. The
 * process that asks has no privilege and reads foreign bytes. So nothing that it says is
 * trusted, nothing waits for it, and the documents that it may ask for in a second are limited. */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "publish/http_wire.h"

#define UNSENT_MAX (1u << 20) /* octets that are not taken, before no more is made */
#define WORK_PER_S \
	400 /* documents; it asks for each kind once in 50 ms at most, and for histories */
#define WORK_MOST 200.
#define HISTORY_WORK 4
#define PING_US (5 * US_PER_S)
#define PINGS_UNANSWERED 3 /* counted, not timed: all of us may have been frozen for a while */

struct http_answers {
	struct bufferevent *channel;
	enum http_kind kind;
	const struct control_ops *ops;
	void *context;
	struct http_answers_events events;
	double work; /* that is left */
	uint64_t refilled_us, ping_us;
	unsigned unanswered;
	bool broken; /* said to the owner, who closes this */
};

static void answer(struct http_answers *a, const struct http_question *q)
{
	struct evbuffer *body = document_make(a->ops, a->context, (enum document)q->what, q->value);
	struct http_answer head = { .what = q->what };

	if (body && evbuffer_get_length(body) <= HTTP_DOCUMENT_MAX)
		head.length = (uint32_t)evbuffer_get_length(body);
	bufferevent_write(a->channel, &head, sizeof(head));
	if (head.length)
		bufferevent_write_buffer(a->channel, body);
	if (body)
		evbuffer_free(body);
}

static void give_up(struct http_answers *a, const char *why)
{
	a->broken = true;
	bufferevent_disable(a->channel, EV_READ | EV_WRITE);
	a->events.broken(a->events.context, why);
}

/* The one that customers talk with may have their page, and nothing else. */
static bool may_ask(const struct http_answers *a, const struct http_question *q)
{
	if (q->what >= DOCUMENT__COUNT ||
	    (q->what == DOCUMENT_PUBLIC) != (a->kind == HTTP_CUSTOMERS))
		return false;
	return q->what != DOCUMENT_HISTORY || (q->value && q->value <= DOCUMENT_SPAN_MAX_S);
}

/* 0, or -EBADMSG: it never asks that. */
static int take(struct http_answers *a, const struct http_question *q)
{
	if (q->what == HTTP_PING) {
		a->unanswered = 0;
	} else if (q->what == HTTP_BEGUN) {
		a->events.begun(a->events.context, q->value);
	} else if (may_ask(a, q)) {
		a->work -= q->what <= DOCUMENT_PAGE_DAY || q->what == DOCUMENT_HISTORY
				   ? HISTORY_WORK
				   : 1;
		answer(a, q);
	} else {
		return -EBADMSG;
	}
	return 0;
}

static void on_read(struct bufferevent *channel, void *context)
{
	struct http_answers *a = context;
	struct evbuffer *input = bufferevent_get_input(channel);
	struct http_question q;

	while (evbuffer_get_length(input) >= sizeof(q)) {
		/* http_answers_step() and on_taken() let it go on. */
		if (a->work < 1 ||
		    evbuffer_get_length(bufferevent_get_output(channel)) > UNSENT_MAX) {
			bufferevent_disable(channel, EV_READ);
			return;
		}
		evbuffer_remove(input, &q, sizeof(q));
		if (take(a, &q) < 0) {
			give_up(a, "it asked for a document that does not exist");
			return;
		}
	}
}

static void go_on(struct http_answers *a)
{
	if (a->broken || bufferevent_get_enabled(a->channel) & EV_READ)
		return;
	bufferevent_enable(a->channel, EV_READ);
	on_read(a->channel, a);
}

static void on_taken(struct bufferevent *channel, void *context)
{
	struct http_answers *a = context;

	if (a->work >= 1)
		go_on(a);
}

static void on_event(struct bufferevent *channel, short what, void *context)
{
	give_up(context, "");
}

struct http_answers *http_answers_open(struct event_base *base, int fd, enum http_kind kind,
				       const struct control_ops *ops, void *context,
				       const struct http_answers_events *events)
{
	struct http_answers *a = calloc(1, sizeof(*a));

	if (a)
		a->channel = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!a || !a->channel) {
		close(fd);
		free(a);
		return NULL;
	}
	a->kind = kind;
	a->ops = ops;
	a->context = context;
	a->events = *events;
	a->work = WORK_MOST;
	bufferevent_setwatermark(a->channel, EV_READ, 0, 64 * sizeof(struct http_question));
	bufferevent_setcb(a->channel, on_read, on_taken, on_event, a);
	bufferevent_enable(a->channel, EV_READ | EV_WRITE);
	return a;
}

void http_answers_close(struct http_answers *a)
{
	if (!a)
		return;
	bufferevent_free(a->channel);
	free(a);
}

bool http_answers_step(struct http_answers *a, uint64_t now_us)
{
	const struct http_answer ping = { .what = HTTP_PING };

	if (a->refilled_us)
		a->work += (double)(now_us - a->refilled_us) / 1e6 * WORK_PER_S;
	if (a->work > WORK_MOST)
		a->work = WORK_MOST;
	a->refilled_us = now_us;
	on_taken(a->channel, a);
	if (a->broken)
		return true;
	if (now_us - a->ping_us < PING_US)
		return true;
	a->ping_us = now_us;
	if (a->unanswered++ >= PINGS_UNANSWERED)
		return false;
	bufferevent_write(a->channel, &ping, sizeof(ping));
	return true;
}
