/* The Postfix policy service. On an error it closes the connection without an answer: Postfix then
 * takes its default_action, which the documentation says to set to DUNNO. One connection per smtpd
 * process, kept; several questions about one SMTP session (a check at RCPT) get one verdict,
 * counted once. */
#include <stdio.h>
#include <string.h>

#include "front/asked_protocol.h"
#include "front/policy_codec.h"

/* State of one connection: the SMTP session that was decided last. */
struct asker {
	struct policy_request last;
	bool decided;
	char action[REPLY_MAX + 1];
};

static bool same_session(const struct policy_request *a, const struct policy_request *b)
{
	if (a->session[0] == 0 && a->port == 0)
		return false;
	return memcmp(&a->address, &b->address, sizeof(a->address)) == 0 && a->port == b->port &&
	       strcmp(a->session, b->session) == 0;
}

static void answer(struct stream *stream)
{
	const struct asker *a = stream_state(stream);
	char line[REPLY_MAX + 32];

	stream_write(stream, line, policy_action(line, sizeof(line), a->action));
}

static void on_verdict(struct stream *stream, struct asked_mark mark, const char *reply)
{
	struct asker *a = stream_state(stream);

	snprintf(a->action, sizeof(a->action), "%s", reply ? reply : "DUNNO");
	answer(stream);
}

static int on_bytes(struct stream *stream, const char *bytes, size_t length, size_t *ret_size)
{
	struct asker *a = stream_state(stream);
	struct policy_request request;
	int r = policy_parse(bytes, length, &request, ret_size);

	if (r < 0)
		asked_complain(stream, r, bytes, length);
	if (r <= 0)
		return r;
	if (a->decided && same_session(&a->last, &request)) {
		if (stream_is_held(stream))
			return 0; /* its verdict is on its way */
		answer(stream);
		return 1;
	}
	a->last = request;
	a->decided = true;
	asked_ask(stream,
		  &(struct asked_client){ request.address, request.address_known, request.port },
		  (struct asked_mark){ 0 });
	return 1;
}

const struct asked_protocol asked_policy = { .input_max = POLICY_REQUEST_MAX,
					     .state_size = sizeof(struct asker),
					     .ahead = 64,
					     .bytes = on_bytes,
					     .verdict = on_verdict };
