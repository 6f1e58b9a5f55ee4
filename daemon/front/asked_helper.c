#include "front/asked_helper.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fdpass.h"
#include "base/heartbeat.h"
#include "base/helper.h"
#include "base/log.h"

#define MESSAGES_A_TURN 16 /* of 64 questions each: two milliseconds, then others have their turn */
#define BEATS_UNANSWERED 3

/* What penstockd still has to send to the process about a front. */
enum owed { OWED_NOTHING, OWED_CHANGE, OWED_OPEN, OWED_CLOSE };

struct asked_helper {
	struct event_base *base;
	struct helper helper;
	int channel; /* -1: there is no process */
	struct event *readable, *writable;
	bool broken; /* the channel: asked_helper_step() ends the process */
	bool away; /* mail servers that ask are turned away */
	char why[64]; /* why the process ended */
	struct heartbeat beat;
	struct asked_served *front[ASKED__COUNT]; /* NULL: closed */
	enum owed owed[ASKED__COUNT];
	/* octets of `out` that the process has not taken; no question is read meanwhile */
	size_t unsent;
	struct asked_message in, out;
};

/* ---- to the process ------------------------------------------------------------------------- */

static void give_up(struct asked_helper *h, const char *why)
{
	if (h->channel < 0 || h->broken)
		return;
	snprintf(h->why, sizeof(h->why), "%s", why);
	h->broken = true;
	event_del(h->readable);
	event_del(h->writable);
}

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
	for (uint32_t i = 0; h->channel >= 0 && !h->broken && i < ASKED__COUNT; i++) {
		int r = pay(h, i);

		if (r == 0)
			h->owed[i] = OWED_NOTHING;
		else if (r == -EAGAIN)
			event_add(h->writable, NULL);
		else
			give_up(h, "");
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
	helper_begun(&h->helper, "mail servers ask", missing_errno);
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
		give_up(h, "");
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
	heartbeat_heard(&h->beat);
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

	for (int i = 0; i < MESSAGES_A_TURN && !h->unsent && !h->broken; i++) {
		ssize_t n = recv(fd, &h->in, sizeof(h->in), MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0)
			give_up(h, "");
		else if (asked_helper_take(h, &h->in, (size_t)n) < 0)
			give_up(h, "it said what it never says");
	}
}

static void on_writable(evutil_socket_t fd, short what, void *context)
{
	struct asked_helper *h = context;

	if (h->unsent)
		send_verdicts(h, h->unsent);
	pay_all(h);
	if (!h->unsent && !h->broken)
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
	if (!h->readable || !h->writable || event_add(h->readable, NULL) < 0) {
		close_channel(h);
		return -ENOMEM;
	}
	return 0;
}

static int start(struct asked_helper *h, uint64_t now_us)
{
	_cleanup_close_ int theirs = -1;
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return -errno;
	theirs = pair[1];
	r = open_channel(h, pair[0]);
	if (r < 0)
		return r;
	r = helper_start(&h->helper, "penstockd-asks", ASKED_ARGUMENT, &theirs, 1, now_us);
	if (r < 0) {
		close_channel(h);
		return r;
	}
	h->broken = false;
	heartbeat_begin(&h->beat, now_us);
	h->why[0] = 0;
	for (unsigned i = 0; i < ASKED__COUNT; i++)
		h->owed[i] = h->front[i] ? OWED_OPEN : OWED_NOTHING;
	pay_all(h);
	return 0;
}

static void start_if_due(struct asked_helper *h, uint64_t now_us)
{
	int r;

	if (h->channel >= 0 || !is_wanted(h) || !helper_due(&h->helper, now_us))
		return;
	r = start(h, now_us);
	if (r == 0)
		return;
	turn_away(h, true);
	log_warning(
		"Cannot start the process that mail servers ask: %s. Connections of mail servers are closed, and they admit their clients. It is tried again.",
		strerror(-r));
}

/* Notes that the process is gone: it ended, or we ended it. */
static void take_note(struct asked_helper *h, const char *how, uint64_t now_us)
{
	close_channel(h);
	turn_away(h, true);
	log_warning(
		"The process that mail servers ask ended: %s. It is started again in %.0f s. A mail server that asks meanwhile finds its connection closed, and admits its clients.",
		h->why[0] ? h->why : how, helper_pause_s(&h->helper, now_us));
}

static bool beats(struct asked_helper *h, uint64_t now_us)
{
	enum heartbeat_due due = heartbeat_step(&h->beat, now_us, BEATS_UNANSWERED);

	/* the process cannot answer a heartbeat that it has not taken */
	if (due == HEARTBEAT_ASK)
		put_word(h, ASKED_BEAT, 0);
	return due != HEARTBEAT_DEAD;
}

/* No front is left. */
static void stop(struct asked_helper *h)
{
	close_channel(h);
	helper_close(&h->helper);
	h->helper = (struct helper){ .told = h->helper.told };
	h->away = false;
}

void asked_helper_step(struct asked_helper *h, uint64_t now_us)
{
	char how[48];

	if (!is_wanted(h)) {
		if (h->channel >= 0)
			stop(h);
		return;
	}
	if (h->channel >= 0 && !h->broken && !beats(h, now_us))
		give_up(h, "it did not answer for 8 s");
	if (h->broken)
		helper_kill(&h->helper);
	if (helper_ended(&h->helper, now_us, how))
		take_note(h, how, now_us);
	start_if_due(h, now_us);
}

bool asked_helper_is_up(const struct asked_helper *h)
{
	return !h->away && !h->broken;
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
	struct asked_helper *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->base = base;
	h->channel = -1;
	return h;
}

void asked_helper_close(struct asked_helper *h)
{
	if (!h)
		return;
	helper_close(&h->helper);
	close_channel(h);
	free(h);
}
