/* The milter protocol: Postfix and Sendmail ask at connect (milter_codec.h). An admitted client is
 * accepted at once, and the server sends no more about it. A deferred client gets 451 at MAIL: if a
 * milter answers 451 at connect, both servers greet all the same, and Sendmail replaces the text.
 * 421 is sent at connect, and both servers hang up. A client keeps its verdict until it leaves. On
 * an error the connection is closed, and the server takes its default action, which
 * snippets/postfix/milter.md sets to accept.
 *
 *	server -- options ->  front      as few steps as the server can leave out
 *	       -- connect ->             verdict: accept | go on | 421
 *	       -- MAIL ---->             451
 *	       -- quit ---->                                                              */
#include <errno.h>
#include <string.h>

#include "base/address.h"
#include "front/asked_protocol.h"
#include "front/milter_codec.h"

/* State of one connection. */
struct session {
	struct milter_reader reader;
	bool greeted, connected, deferred;
	char reply[REPLY_MAX + 1];
};

/* Whether the client is on this host itself, such as a program that submits mail. */
static bool is_own(const struct milter_message *q)
{
	return q->local || (q->address_known && address_is_loopback(&q->address));
}

/* Answers the server at this step. */
static void answer(struct stream *stream, enum milter_kind kind)
{
	const struct session *s = stream_state(stream);
	uint8_t buf[MILTER_ANSWER_MAX];
	bool hang_up = strncmp(s->reply, "421", 3) == 0;
	size_t n;

	if (s->deferred && (kind == MILTER_ENVELOPE || (kind == MILTER_CONNECT && hang_up)))
		n = milter_put_reply(buf, s->reply);
	else
		n = milter_put_step(buf, !s->deferred);
	stream_write(stream, buf, n);
}

static void on_verdict(struct stream *stream, struct asked_mark mark, const char *reply)
{
	struct session *s = stream_state(stream);

	s->deferred = reply && reply_named(s->reply, sizeof(s->reply), reply,
					   asked_opening(stream)->hostname) > 0;
	answer(stream, MILTER_CONNECT);
}

/* Whether the server may send this now. The order is: options, a client, then the commands of that
 * client. */
static bool in_order(const struct session *s, enum milter_kind kind)
{
	switch (kind) {
	case MILTER_OPTIONS:
		return !s->greeted;
	case MILTER_CONNECT:
		return s->greeted && !s->connected;
	case MILTER_ENVELOPE:
	case MILTER_STEP:
		return s->connected;
	default:
		return true;
	}
}

static void on_connect(struct stream *stream, const struct milter_message *q)
{
	struct session *s = stream_state(stream);

	s->connected = true;
	if (is_own(q) && !asked_opening(stream)->loopback)
		on_verdict(stream, (struct asked_mark){ 0 }, NULL);
	else
		asked_ask(stream, &(struct asked_client){ q->address, q->address_known, q->port },
			  (struct asked_mark){ 0 });
}

static void take(struct stream *stream, const struct milter_message *q)
{
	struct session *s = stream_state(stream);
	uint8_t buf[MILTER_ANSWER_MAX];

	switch (q->kind) {
	case MILTER_OPTIONS:
		s->greeted = true;
		stream_write(stream, buf, milter_put_options(buf, q->version, q->steps));
		break;
	case MILTER_QUIT:
		stream_finish(stream);
		break;
	case MILTER_AGAIN:
		s->connected = false;
		break;
	case MILTER_CONNECT:
		on_connect(stream, q);
		break;
	case MILTER_NOTHING:
		break;
	default:
		answer(stream, q->kind);
	}
}

static int on_bytes(struct stream *stream, const char *bytes, size_t length, size_t *ret_size)
{
	struct session *s = stream_state(stream);
	struct milter_message q;
	int r = milter_parse(&s->reader, (const uint8_t *)bytes, length, &q, ret_size);

	if (r > 0 && !in_order(s, q.kind))
		r = -EBADMSG;
	if (r < 0)
		asked_complain(stream, r, bytes, length);
	if (r <= 0)
		return r;
	take(stream, &q);
	return 1;
}

const struct asked_protocol asked_milter = { .input_max = MILTER_INPUT_MAX,
					     .state_size = sizeof(struct session),
					     .ahead = 1,
					     .bytes = on_bytes,
					     .verdict = on_verdict };
