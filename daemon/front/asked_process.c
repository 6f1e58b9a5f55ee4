/* The process that mail servers ask: by the protocol of Postfix' policy service, SPOE, auth_http,
 * milters and plain lines. It has no privilege, opens nothing and decides nothing: it asks
 * penstockd, and admits if penstockd does not answer. See asked_wire.h. */
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/descriptors.h"
#include "base/fdpass.h"
#include "front/asked_protocol.h"

/* Questions on their way, of all fronts together; a power of two. Further questions are answered
 * "admit". */
#define QUESTIONS_MAX 65536u
#define LOOK_US \
	(US_PER_S / 4) /* whether penstockd still answers, while questions are on their way */

struct front {
	struct asked_process *process;
	const struct asked_protocol *protocol;
	struct asked_opening opening;
	struct streams *streams; /* NULL: closed */
	struct asked_trouble trouble; /* not reported to penstockd yet */
};

/* A question on its way. */
struct place {
	struct asked_question question;
	struct asked_mark mark;
	struct stream *stream; /* held */
};

struct asked_process {
	struct event_base *base;
	int channel;
	struct event *readable, *writable, *look;
	unsigned descriptors; /* that this process may have */
	bool silent; /* penstockd has not answered for too long, and has sent nothing since */
	struct front front[ASKED__COUNT];
	/* Ids of questions: those before `head` are answered, those before `sent` are sent. */
	uint32_t head, sent, tail;
	struct place *place; /* QUESTIONS_MAX, by id modulo that */
};

static struct place *place_of(const struct asked_process *p, uint32_t id)
{
	return &p->place[id % QUESTIONS_MAX];
}

/* ---- for the protocols ---------------------------------------------------------------------- */

const struct asked_opening *asked_opening(const struct stream *stream)
{
	const struct front *f = stream_context(stream);

	return &f->opening;
}

void asked_ask(struct stream *stream, const struct asked_client *client, struct asked_mark mark)
{
	static const struct timeval look = { 0, LOOK_US };
	struct front *f = stream_context(stream);
	struct asked_process *p = f->process;

	if (p->silent || p->tail - p->head == QUESTIONS_MAX) {
		f->trouble.unasked++;
		f->protocol->verdict(stream, mark, NULL);
		return;
	}
	stream_hold(stream);
	*place_of(p, p->tail) =
		(struct place){ .question = { .asked_us = clock_monotonic_us(),
					      .id = p->tail,
					      .port = client->port,
					      .kind = (uint8_t)f->opening.kind,
					      .address_known = client->address_known,
					      .address = client->address },
				.mark = mark,
				.stream = stream };
	p->tail++;
	if (!event_pending(p->look, EV_TIMEOUT, NULL))
		event_add(p->look, &look);
}

void asked_complain(struct stream *stream, int error, const char *bytes, size_t length)
{
	struct front *f = stream_context(stream);
	struct asked_trouble *t = &f->trouble;

	if (t->malformed++)
		return;
	t->error = error;
	t->length = (uint32_t)(length < sizeof(t->began) ? length : sizeof(t->began));
	memcpy(t->began, bytes, t->length);
}

static void on_full(void *context)
{
	struct front *f = context;

	f->trouble.full++;
}

static void on_starved(void *context)
{
	struct front *f = context;

	f->trouble.descriptors++;
}

static void on_failed(void *context)
{
	struct front *f = context;

	f->trouble.errors++;
}

/* ---- to penstockd --------------------------------------------------------------------------- */

/* False: the channel is full now. If penstockd is gone, the next read shows it. */
static bool put(struct asked_process *p, const struct asked_message *m, size_t length)
{
	return send(p->channel, m, sizeof(m->head) + length, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

static void put_word(struct asked_process *p, uint32_t word, uint32_t value)
{
	struct asked_message m;

	m.head = (struct asked_head){ word, value };
	put(p, &m, 0);
}

static bool put_questions(struct asked_process *p)
{
	struct asked_message m;
	uint32_t n = p->tail - p->sent;

	if (n > ASKED_BATCH)
		n = ASKED_BATCH;
	m.head = (struct asked_head){ ASKED_QUESTIONS, n };
	for (uint32_t i = 0; i < n; i++)
		m.question[i] = place_of(p, p->sent + i)->question;
	if (!put(p, &m, n * sizeof(m.question[0])))
		return false;
	p->sent += n;
	return true;
}

static bool put_trouble(struct asked_process *p, struct front *f)
{
	struct asked_message m;
	const struct asked_trouble *t = &f->trouble;

	if (!t->malformed && !t->full && !t->descriptors && !t->errors && !t->unasked)
		return true;
	m.head = (struct asked_head){ ASKED_TROUBLE, 0 };
	m.trouble = *t;
	if (!put(p, &m, sizeof(m.trouble)))
		return false;
	f->trouble = (struct asked_trouble){ .kind = f->opening.kind };
	return true;
}

/* Sends what was asked since. Call it when the loop has gone round. */
static void flush(struct asked_process *p)
{
	bool taken = true;

	while (taken && p->sent != p->tail)
		taken = put_questions(p);
	for (unsigned i = 0; taken && i < ASKED__COUNT; i++)
		taken = put_trouble(p, &p->front[i]);
	if (!taken)
		event_add(p->writable, NULL); /* the loop goes round then, and this is called */
}

static void on_writable(evutil_socket_t fd, short what, void *context)
{
}

/* ---- from penstockd ------------------------------------------------------------------------- */

/* The oldest question has its verdict. */
static void settle(struct asked_process *p, const char *reply)
{
	struct place place = *place_of(p, p->head);
	struct front *f = &p->front[place.question.kind];

	p->head++;
	if (stream_is_open(place.stream))
		f->protocol->verdict(place.stream, place.mark, reply);
	stream_release(place.stream);
}

static void on_verdicts(struct asked_process *p, const char *at, const char *end, uint32_t count)
{
	char reply[REPLY_MAX + 1];
	struct asked_verdict v;

	for (; count && at + sizeof(v) <= end; count--) {
		memcpy(&v, at, sizeof(v));
		at += sizeof(v);
		if (v.length > REPLY_MAX || at + v.length > end)
			return;
		memcpy(reply, at, v.length);
		reply[v.length] = 0;
		at += v.length;
		/* Ignore a verdict for a question that was given up, or that was never asked. */
		if (v.id == p->head && p->head != p->sent)
			settle(p, v.length ? reply : NULL);
	}
}

static void front_close(struct front *f)
{
	streams_close(f->streams);
	f->streams = NULL;
}

static void on_opening(struct asked_process *p, const struct asked_opening *o, const int *fds,
		       unsigned count)
{
	struct front *f = &p->front[o->kind];
	const struct asked_protocol *protocol = f->protocol;
	struct streams_options options = { .connections_max = o->connections_max,
					   .descriptors = p->descriptors,
					   .idle_us = protocol->idle_us ? protocol->idle_us
									: o->idle_us,
					   .input_max = protocol->input_max,
					   .state_size = protocol->state_size,
					   .held_max = protocol->ahead,
					   .bytes = protocol->bytes,
					   .full = on_full,
					   .starved = on_starved,
					   .failed = on_failed,
					   .context = f };

	f->opening = *o;
	if (!count)
		return;
	front_close(f);
	if (streams_open(p->base, &options, fds, count, &f->streams) < 0)
		f->trouble.errors++;
}

static void on_message(struct asked_process *p, const struct asked_message *m, size_t length,
		       const int *fds, unsigned count)
{
	switch (m->head.word) {
	case ASKED_OPEN:
		on_opening(p, &m->opening, fds, count);
		break;
	case ASKED_CLOSE:
		front_close(&p->front[m->head.value]);
		break;
	case ASKED_VERDICTS:
		on_verdicts(p, m->verdicts, (const char *)m + length, m->head.value);
		break;
	case ASKED_BEAT:
		put_word(p, ASKED_BEAT, 0);
		break;
	default:
		break;
	}
}

/* Takes one message. False: there is none now. */
static bool take_message(struct asked_process *p)
{
	struct asked_message m;
	struct fdpass listeners;
	ssize_t n = fdpass_receive(p->channel, &m, sizeof(m), MSG_DONTWAIT, &listeners);

	if (n == -EAGAIN || n == -EINTR)
		return false;
	/* Either penstockd has ended, or no descriptor was left for a listening socket, from which
	 * no process would accept then. This process ends too; the next one gets all listeners. */
	if (n < (ssize_t)sizeof(m.head) || listeners.lost) {
		event_base_loopbreak(p->base);
		event_del(p->readable);
		return false;
	}
	p->silent = false;
	on_message(p, &m, (size_t)n, listeners.fds, listeners.count);
	return true;
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
	struct asked_process *p = context;

	while (take_message(p))
		;
}

/* The oldest question has been on its way for too long: gives up all questions, and the next ones,
 * too, until penstockd sends something again. */
static void on_look(evutil_socket_t fd, short what, void *context)
{
	static const struct timeval look = { 0, LOOK_US };
	struct asked_process *p = context;

	/* perhaps this process was stopped, and not penstockd */
	on_readable(p->channel, EV_READ, p);
	if (p->head != p->tail &&
	    clock_monotonic_us() > place_of(p, p->head)->question.asked_us + ASKED_PATIENCE_US)
		p->silent = true; /* set it first: questions that come meanwhile are not sent */
	while (p->silent && p->head != p->tail) {
		p->front[place_of(p, p->head)->question.kind].trouble.unasked++;
		if (p->sent == p->head)
			p->sent++;
		settle(p, NULL);
	}
	if (p->head != p->tail)
		event_add(p->look, &look);
}

/* ---- life ----------------------------------------------------------------------------------- */

int asked_process_open(struct event_base *base, int channel,
		       const struct asked_protocol *const *protocols,
		       struct asked_process **ret_process)
{
	struct asked_process *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->base = base;
	p->channel = channel;
	p->descriptors = descriptors_raise(DESCRIPTORS_ALL, false);
	for (unsigned i = 0; i < ASKED__COUNT; i++)
		p->front[i] = (struct front){
			.process = p, .protocol = protocols[i], .opening.kind = i, .trouble.kind = i
		};
	p->place = calloc(QUESTIONS_MAX, sizeof(*p->place));
	p->readable = event_new(base, channel, EV_READ | EV_PERSIST, on_readable, p);
	p->writable = event_new(base, channel, EV_WRITE, on_writable, p);
	p->look = evtimer_new(base, on_look, p);
	if (!p->place || !p->readable || !p->writable || !p->look ||
	    event_add(p->readable, NULL) < 0) {
		asked_process_close(p);
		return -ENOMEM;
	}
	*ret_process = p;
	return 0;
}

/* For the fuzzer, and after a failure halfway. The process itself needs no clean-up: it just
 * ends. */
void asked_process_close(struct asked_process *p)
{
	struct event *const events[] = { p->readable, p->writable, p->look };

	for (unsigned i = 0; i < ASKED__COUNT; i++)
		front_close(&p->front[i]);
	while (p->head != p->tail)
		stream_release(place_of(p, p->head++)->stream);
	for (unsigned i = 0; i < ARRAY_SIZE(events); i++)
		if (events[i])
			event_free(events[i]);
	close(p->channel);
	free(p->place);
	free(p);
}

void asked_process_run(struct asked_process *p, uint32_t confined)
{
	put_word(p, ASKED_BEGUN, confined);
	while (event_base_loop(p->base, EVLOOP_ONCE) == 0 && !event_base_got_break(p->base))
		flush(p);
}
