#include "publish/asker.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct asker {
	struct event_base *base;
	struct bufferevent *channel;
	size_t question;
	asker_answered answered;
	void *context;
};

void asker_ask(struct asker *a, const void *question)
{
	bufferevent_write(a->channel, question, a->question);
}

static void say(struct asker *a, struct channel_question word)
{
	char octets[CHANNEL_QUESTION_MAX] = { 0 };

	memcpy(octets, &word, sizeof(word));
	asker_ask(a, octets);
}

void asker_begun(struct asker *a, uint32_t error)
{
	say(a, (struct channel_question){ .what = CHANNEL_BEGUN, .id = error });
}

/* Takes what follows a head from the channel, once it is complete. */
static struct evbuffer *receive(struct evbuffer *input, uint32_t length)
{
	struct evbuffer *text = length ? evbuffer_new() : NULL;

	if (!text) {
		evbuffer_drain(input, length);
	} else if (evbuffer_remove_buffer(input, text, length) != (int)length) {
		evbuffer_free(text);
		text = NULL;
	}
	return text;
}

static void on_read(struct bufferevent *channel, void *context)
{
	struct asker *a = context;
	struct evbuffer *input = bufferevent_get_input(channel);
	struct channel_answer head;

	while (evbuffer_copyout(input, &head, sizeof(head)) == (ssize_t)sizeof(head) &&
	       evbuffer_get_length(input) >= sizeof(head) + head.length) {
		evbuffer_drain(input, sizeof(head));
		if (head.what == CHANNEL_PING)
			say(a, (struct channel_question){ .what = CHANNEL_PING });
		else
			a->answered(a->context, &head, receive(input, head.length));
	}
}

/* penstockd has ended, so this process ends too. */
static void on_event(struct bufferevent *channel, short what, void *context)
{
	struct asker *a = context;

	event_base_loopbreak(a->base);
}

int asker_open(struct event_base *base, int fd, size_t question, asker_answered answered,
	       void *context, struct asker **ret_asker)
{
	struct asker *a = calloc(1, sizeof(*a));

	if (a)
		a->channel = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!a || !a->channel) {
		close(fd);
		free(a);
		return -ENOMEM;
	}
	a->base = base;
	a->question = question;
	a->answered = answered;
	a->context = context;
	bufferevent_setcb(a->channel, on_read, NULL, on_event, a);
	bufferevent_enable(a->channel, EV_READ | EV_WRITE);
	*ret_asker = a;
	return 0;
}

void asker_close(struct asker *a)
{
	if (!a)
		return;
	bufferevent_free(a->channel);
	free(a);
}
