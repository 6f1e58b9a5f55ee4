#include "publish/answers.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/heartbeat.h"
#include "publish/channel.h"

/* octets that the process has not taken: above this no answer is made */
#define UNSENT_MAX (1u << 20)
#define QUESTIONS_READ 64 /* at once */
#define PINGS_UNANSWERED 3

struct answers {
	struct bufferevent *channel;
	struct evbuffer *after_tick; /* answers to orders, until the next tick is over */
	const struct answers_kind *kind;
	void *context;
	struct answers_events events;
	double work; /* left for answers */
	uint64_t refilled_us;
	struct heartbeat beat;
	bool broken; /* reported to the owner, which closes this */
};

static struct evbuffer *output(const struct answers *a)
{
	return bufferevent_get_output(a->channel);
}

static size_t unsent(const struct answers *a)
{
	return evbuffer_get_length(output(a)) + evbuffer_get_length(a->after_tick);
}

static void put(struct evbuffer *to, struct channel_answer head, struct evbuffer *text)
{
	if (text && evbuffer_get_length(text) <= CHANNEL_ANSWER_MAX)
		head.length = (uint32_t)evbuffer_get_length(text);
	evbuffer_add(to, &head, sizeof(head));
	if (head.length)
		evbuffer_add_buffer(to, text);
}

static void give_up(struct answers *a, const char *why)
{
	a->broken = true;
	bufferevent_disable(a->channel, EV_READ | EV_WRITE);
	a->events.broken(a->events.context, why);
}

/* 0, or -EBADMSG: the process never asks that. */
static int answer(struct answers *a, const struct channel_question *q)
{
	struct channel_answer head = { .what = q->what, .id = q->id };
	struct evbuffer *text = evbuffer_new();
	double cost = 0;
	int result = -ENOMEM;

	if (text)
		cost = a->kind->answer(a->context, q, &result, text);
	head.result = result;
	if (cost >= 0)
		put(a->kind->is_order && a->kind->is_order(q) ? a->after_tick : output(a), head,
		    text);
	if (text)
		evbuffer_free(text);
	a->work -= cost;
	return cost < 0 ? -EBADMSG : 0;
}

static int take(struct answers *a, const struct channel_question *q)
{
	switch (q->what) {
	case CHANNEL_PING:
		heartbeat_heard(&a->beat);
		return 0;
	case CHANNEL_BEGUN:
		a->events.begun(a->events.context, q->id);
		return 0;
	default:
		return answer(a, q);
	}
}

static void on_read(struct bufferevent *channel, void *context)
{
	struct answers *a = context;
	struct evbuffer *input = bufferevent_get_input(channel);
	union {
		struct channel_question head;
		uint64_t aligned[CHANNEL_QUESTION_MAX / sizeof(uint64_t)];
	} q;

	while (evbuffer_get_length(input) >= a->kind->question) {
		/* answers_step() or on_taken() goes on with it. */
		if (a->work <= 0 || unsent(a) > UNSENT_MAX) {
			bufferevent_disable(channel, EV_READ);
			return;
		}
		evbuffer_remove(input, &q, a->kind->question);
		if (take(a, &q.head) < 0) {
			give_up(a, "it asked what it never asks");
			return;
		}
	}
}

static void on_taken(struct bufferevent *channel, void *context)
{
	struct answers *a = context;

	if (a->work <= 0 || a->broken || bufferevent_get_enabled(channel) & EV_READ)
		return;
	bufferevent_enable(channel, EV_READ);
	on_read(channel, a);
}

static void on_event(struct bufferevent *channel, short what, void *context)
{
	give_up(context, "");
}

struct answers *answers_open(struct event_base *base, int fd, const struct answers_kind *kind,
			     void *context, const struct answers_events *events)
{
	struct answers *a = calloc(1, sizeof(*a));

	if (a)
		a->after_tick = evbuffer_new();
	if (a && a->after_tick)
		a->channel = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!a || !a->channel) {
		close(fd);
		if (a && a->after_tick)
			evbuffer_free(a->after_tick);
		free(a);
		return NULL;
	}
	a->kind = kind;
	a->context = context;
	a->events = *events;
	a->work = kind->work_max;
	bufferevent_setwatermark(a->channel, EV_READ, 0, QUESTIONS_READ * kind->question);
	bufferevent_setcb(a->channel, on_read, on_taken, on_event, a);
	bufferevent_enable(a->channel, EV_READ | EV_WRITE);
	return a;
}

void answers_close(struct answers *a)
{
	if (!a)
		return;
	bufferevent_free(a->channel);
	evbuffer_free(a->after_tick);
	free(a);
}

bool answers_step(struct answers *a, uint64_t now_us)
{
	enum heartbeat_due due;

	if (a->refilled_us)
		a->work += (double)(now_us - a->refilled_us) / 1e6 * a->kind->work_per_s;
	if (a->work > a->kind->work_max)
		a->work = a->kind->work_max;
	a->refilled_us = now_us;
	/* Before more is read: an order of now waits for the next tick. */
	if (!a->broken)
		bufferevent_write_buffer(a->channel, a->after_tick);
	on_taken(a->channel, a);
	if (a->broken)
		return true;
	due = heartbeat_step(&a->beat, now_us, PINGS_UNANSWERED);
	if (due == HEARTBEAT_ASK)
		put(output(a), (struct channel_answer){ .what = CHANNEL_PING }, NULL);
	return due != HEARTBEAT_DEAD;
}

void answers_tell(struct answers *a, uint32_t what, struct evbuffer *text)
{
	if (!a->broken && unsent(a) <= UNSENT_MAX)
		put(output(a), (struct channel_answer){ .what = what }, text);
}
