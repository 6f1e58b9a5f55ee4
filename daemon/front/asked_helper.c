#include "front/asked_helper.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fdpass.h"
#include "base/helper_life.h"

#define MESSAGES_A_TURN 16 /* of 64 questions each: two milliseconds, then others have their turn */

/* What penstockd still has to send to the process about a front. */
enum owed { OWED_NOTHING, OWED_CHANGE, OWED_OPEN, OWED_CLOSE };

struct asked_helper {
	struct event_base *base;
	struct helper_life life;
	int channel; /* -1: there is no process */
	struct event *readable, *writable;
	bool away; /* mail servers that ask are turned away */
	struct asked_served *front[ASKED__COUNT]; /* NULL: closed */
	enum owed owed[ASKED__COUNT];
	/* octets of `out` that the process has not taken; no question is read meanwhile */
	size_t unsent;
	struct asked_message in, out;
};

/* ---- to the process ------------------------------------------------------------------------- */

/* Each of these: 0 or -errno. */
static int put_word(const struct asked_helper *h, uint32_t word, uint32_t value)
{
	const struct asked_head head = { word, value };

	return fdpass_send(h->channel, &head, sizeof(head), NULL, 0);
}

_Static_assert(LISTENERS_MAX <= FDPASS_MAX, "all sockets of a front go with one message");

static int put_opening(const struct asked_helper *h, const struct asked_served *front,
		       unsigned sockets)
{
	struct asked_message m;

	m.head = (struct asked_head){ ASKED_OPEN, 0 };
	front->ops->opening(front, &m.opening);
	return fdpass_send(h->channel, &m, sizeof(m.head) + sizeof(m.opening), front->fds, sockets);
}

static int pay(const struct asked_helper *h, uint32_t kind)
{
	const struct asked_served *front = h->front[kind];

	switch (h->owed[kind]) {
	case OWED_CHANGE:
		return put_opening(h, front, 0);
	case OWED_OPEN:
		return put_opening(h, front, front->count);
	case OWED_CLOSE:
		return put_word(h, ASKED_CLOSE, kind);
	default:
		return 0;
	}
}

/* Sends what is due. What the process does not take now is sent later. */
static void pay_all(struct asked_helper *h)
{
	for (uint32_t i = 0; helper_life_talks(&h->life) && i < ASKED__COUNT; i++) {
		int r = pay(h, i);

		if (r == 0)
			h->owed[i] = OWED_NOTHING;
		else if (r == -EAGAIN)
			event_add(h->writable, NULL);
		else
			helper_life_break(&h->life, "");
	}
}

/* ---- from the process ----------------------------------------------------------------------- */

/* Turns mail servers that ask away, or answers them again. */
static void turn_away(struct asked_helper *h, bool away)
{
	h->away = away;
	for (unsigned i = 0; i < ASKED__COUNT; i++)
		if (h->front[i])
			h->front[i]->ops->turn_away(h->front[i], away);
}

static void on_begun(struct asked_helper *h, uint32_t missing_errno)
{
	helper_life_begun(&h->life, missing_errno);
	turn_away(h, false);
}

/* Writes the verdict at `at` and returns its octets. If the front was closed meanwhile, the verdict
 * is "admit". */
static size_t answer(struct asked_helper *h, const struct asked_question *q, char *at)
{
	struct asked_served *front = h->front[q->kind];
	struct asked_verdict v = { .id = q->id };
	char reply[REPLY_MAX + 1];

	if (front && !front->ops->admits(front, q, reply))
		v.length = (uint32_t)strlen(reply);
	memcpy(at, &v, sizeof(v));
	memcpy(at + sizeof(v), reply, v.length);
	return sizeof(v) + v.length;
}

static void send_verdicts(struct asked_helper *h, size_t length)
{
	int r;

	h->unsent = 0;
	if (h->channel < 0)
		return;
	r = fdpass_send(h->channel, &h->out, length, NULL, 0);
	if (r == 0)
		return;
	if (r != -EAGAIN) {
		helper_life_break(&h->life, "");
		return;
	}
	h->unsent = length;
	event_del(h->readable);
	event_add(h->writable, NULL);
}

static int on_questions(struct asked_helper *h, const struct asked_message *m, uint32_t count)
{
	size_t used = 0;

	for (uint32_t i = 0; i < count; i++)
		if (m->question[i].kind >= ASKED__COUNT || m->question[i].address_known > 1)
			return -EBADMSG;
	for (uint32_t i = 0; i < count; i++)
		used += answer(h, &m->question[i], h->out.verdicts + used);
	h->out.head = (struct asked_head){ ASKED_VERDICTS, count };
	send_verdicts(h, sizeof(h->out.head) + used);
	return 0;
}

int asked_helper_take(struct asked_helper *h, const void *bytes, size_t length)
{
	const struct asked_message *m = &h->in;
	size_t behind = length - sizeof(m->head);
	struct asked_served *front;

	if (length < sizeof(m->head) || length > sizeof(*m))
		return -EBADMSG;
	if (bytes != m)
		memcpy(&h->in, bytes, length);
	helper_life_heard(&h->life);
	switch (m->head.word) {
	case ASKED_BEGUN:
		on_begun(h, m->head.value);
		return 0;
	case ASKED_BEAT:
		return 0;
	case ASKED_QUESTIONS:
		if (m->head.value == 0 || m->head.value > ASKED_BATCH ||
		    behind != m->head.value * sizeof(m->question[0]))
			return -EBADMSG;
		return on_questions(h, m, m->head.value);
	case ASKED_TROUBLE:
		if (behind != sizeof(m->trouble) || m->trouble.kind >= ASKED__COUNT)
			return -EBADMSG;
		front = h->front[m->trouble.kind];
		if (front)
			front->ops->trouble(front, &m->trouble);
		return 0;
	default:
		return -EBADMSG;
	}
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
	struct asked_helper *h = context;

	if (!helper_life_talks(&h->life))
		event_del(h->readable); /* it is ended in the next tick */
	for (int i = 0; i < MESSAGES_A_TURN && !h->unsent && helper_life_talks(&h->life); i++) {
		ssize_t n = recv(fd, &h->in, sizeof(h->in), MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0)
			helper_life_break(&h->life, "");
		else if (asked_helper_take(h, &h->in, (size_t)n) < 0)
			helper_life_break(&h->life, "it said what it never says");
	}
}

static void on_writable(evutil_socket_t fd, short what, void *context)
{
	struct asked_helper *h = context;

	if (h->unsent)
		send_verdicts(h, h->unsent);
	pay_all(h);
	if (!h->unsent && helper_life_talks(&h->life))
		event_add(h->readable, NULL);
}

/* ---- its life ------------------------------------------------------------------------------- */

static bool is_wanted(const struct asked_helper *h)
{
	for (unsigned i = 0; i < ASKED__COUNT; i++)
		if (h->front[i])
			return true;
	return false;
}

static void close_channel(struct asked_helper *h)
{
	if (h->readable)
		event_free(h->readable);
	if (h->writable)
		event_free(h->writable);
	if (h->channel >= 0)
		close(h->channel);
	h->readable = h->writable = NULL;
	h->channel = -1;
	h->unsent = 0;
}

static int open_channel(struct asked_helper *h, int fd)
{
	h->channel = fd;
	h->readable = event_new(h->base, fd, EV_READ | EV_PERSIST, on_readable, h);
	h->writable = event_new(h->base, fd, EV_WRITE, on_writable, h);
	return h->readable && h->writable && event_add(h->readable, NULL) == 0 ? 0 : -ENOMEM;
}

static int on_up(void *context, int channel, uint64_t now_us)
{
	struct asked_helper *h = context;
	int r = open_channel(h, channel);

	for (unsigned i = 0; i < ASKED__COUNT; i++)
		h->owed[i] = h->front[i] ? OWED_OPEN : OWED_NOTHING;
	if (r == 0)
		pay_all(h);
	return r;
}

static void on_down(void *context, const char *why)
{
	struct asked_helper *h = context;

	close_channel(h);
	turn_away(h, true);
}

/* The process cannot answer a heartbeat that it has not taken. */
static void on_ask(void *context)
{
	put_word(context, ASKED_BEAT, 0);
}

/* No front is left. */
static void stop(struct asked_helper *h)
{
	close_channel(h);
	helper_life_stop(&h->life);
	h->away = false;
}

void asked_helper_step(struct asked_helper *h, uint64_t now_us)
{
	if (is_wanted(h))
		helper_life_step(&h->life, now_us);
	else if (h->life.up)
		stop(h);
}

bool asked_helper_is_up(const struct asked_helper *h)
{
	return !h->away && !h->life.broken;
}

void asked_helper_add(struct asked_helper *h, struct asked_served *front)
{
	h->front[front->kind] = front;
	h->owed[front->kind] = OWED_OPEN;
	pay_all(h);
	if (h->away)
		front->ops->turn_away(front, true);
}

void asked_helper_remove(struct asked_helper *h, struct asked_served *front)
{
	if (h->front[front->kind] != front)
		return;
	h->front[front->kind] = NULL;
	h->owed[front->kind] = OWED_CLOSE;
	pay_all(h);
}

void asked_helper_changed(struct asked_helper *h, const struct asked_served *front)
{
	if (h->owed[front->kind] == OWED_NOTHING)
		h->owed[front->kind] = OWED_CHANGE;
	pay_all(h);
}

struct asked_helper *asked_helper_open(struct event_base *base)
{
	static const struct helper_kind kind = {
		.name = "penstockd-asks",
		.argument = ASKED_ARGUMENT,
		.does = "mail servers ask",
		.meanwhile =
			"A mail server that asks meanwhile finds its connection closed, and admits its clients.",
		.channel = SOCK_SEQPACKET | SOCK_NONBLOCK,
		.beats_max = 3,
		.silent = "it did not answer for 8 s",
	};
	static const struct helper_events events = { .up = on_up, .down = on_down, .ask = on_ask };
	struct asked_helper *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->base = base;
	h->channel = -1;
	h->life = (struct helper_life){ .kind = &kind, .events = &events, .context = h };
	return h;
}

void asked_helper_close(struct asked_helper *h)
{
	if (!h)
		return;
	helper_life_stop(&h->life);
	close_channel(h);
	free(h);
}
