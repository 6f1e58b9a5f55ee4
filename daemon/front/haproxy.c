/* HAProxy asks about each connection by SPOE (spop_codec.h). It passes the connection to the mail
 * server, or, if it is told to defer, to the responder, which speaks SMTP with the client. If the
 * agent is gone, hangs or answers nonsense, no variable is set, and HAProxy passes the connection.
 *
 * client --> HAProxy -- src ----> penstockd (SPOE: a few bytes on a connection that is kept)
 *	              |    <- defer ---
 *	              +--> mail server, or our responder: 451 until QUIT */
#include <errno.h>

#include "front/asked_protocol.h"
#include "front/spop_codec.h"

#define IDLE_US (330 * US_PER_S) /* HAProxy closes what it does not need sooner */

/* State of one SPOE connection. */
struct peer {
	bool greeted;
};

/* The mark of a question holds HAProxy's stream and frame. */
static void on_verdict(struct stream *stream, struct asked_mark mark, const char *reply)
{
	uint8_t answer[SPOP_ANSWER_MAX];
	char named[REPLY_MAX + 1];

	if (reply && !reply_named(named, sizeof(named), reply, asked_opening(stream)->hostname))
		reply = NULL;
	stream_write(stream, answer, spop_put_ack(answer, mark.a, mark.b, reply ? named : NULL));
}

static int take(struct stream *stream, const struct spop_request *q)
{
	struct peer *peer = stream_state(stream);
	uint8_t answer[SPOP_ANSWER_MAX];

	switch (q->kind) {
	case SPOP_NOTIFY:
		asked_ask(stream, &(struct asked_client){ q->address, q->address_known, 0 },
			  (struct asked_mark){ q->stream, q->frame });
		return 1;
	case SPOP_HELLO:
		stream_write(stream, answer, spop_put_hello(answer, q->frame_max));
		peer->greeted = true;
		if (q->health_check)
			stream_finish(stream);
		return 1;
	default:
		stream_write(stream, answer, spop_put_disconnect(answer, SPOP_OK));
		stream_finish(stream);
		return 1;
	}
}

static int on_bytes(struct stream *stream, const char *bytes, size_t length, size_t *ret_size)
{
	const struct peer *peer = stream_state(stream);
	uint8_t answer[SPOP_ANSWER_MAX];
	struct spop_request q;
	int r = spop_parse((const uint8_t *)bytes, length, &q, ret_size);

	if (r == 0)
		return 0;
	if (r > 0 && (q.kind == SPOP_HELLO) == peer->greeted)
		r = -SPOP_INVALID;
	/* A frame that is not a question is answered after the verdicts that are on their way. */
	if ((r < 0 || q.kind != SPOP_NOTIFY) && stream_is_held(stream))
		return 0;
	if (r > 0)
		return take(stream, &q);
	asked_complain(stream, r, bytes, length);
	stream_write(stream, answer, spop_put_disconnect(answer, (enum spop_status) - r));
	return -EBADMSG;
}

const struct asked_protocol asked_haproxy = { .input_max = SPOP_FRAME_MAX + 4,
					      .state_size = sizeof(struct peer),
					      .idle_us = IDLE_US,
					      .ahead = 64,
					      .bytes = on_bytes,
					      .verdict = on_verdict };
