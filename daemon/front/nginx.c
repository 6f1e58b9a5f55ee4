/* nginx' mail proxy: it asks by HTTP (auth_codec.h) once the client has named its recipient, passes
 * the client on to the server that the answer names, or says 451 and closes. If penstockd does not
 * answer, nginx answers its client 451. So it has to ask through a location that says yes in that
 * case: snippets/nginx.md. */
#include "front/asked_protocol.h"
#include "front/auth_codec.h"

#define IDLE_US (10 * US_PER_S) /* a question is asked at once */

static void on_verdict(struct stream *stream, struct asked_mark mark, const char *reply)
{
	const struct asked_opening *o = asked_opening(stream);
	char answer[AUTH_ANSWER_MAX];

	stream_write(stream, answer,
		     reply ? auth_defer(answer, reply)
			   : auth_admit(answer, o->backend, (uint16_t)o->backend_port));
	stream_finish(stream);
}

static int on_bytes(struct stream *stream, const char *bytes, size_t length, size_t *ret_size)
{
	char answer[AUTH_ANSWER_MAX];
	struct auth_request q;
	int r = auth_parse(bytes, length, &q, ret_size);

	if (r == 0)
		return 0;
	if (r < 0) {
		asked_complain(stream, r, bytes, length);
		stream_write(stream, answer, auth_bad(answer));
		return r;
	}
	if (q.smtp)
		asked_ask(stream, &(struct asked_client){ q.address, q.address_known, 0 },
			  (struct asked_mark){ 0 });
	else
		on_verdict(stream, (struct asked_mark){ 0 }, NULL);
	return 1;
}

const struct asked_protocol asked_nginx = { .input_max = AUTH_REQUEST_MAX,
					    .idle_us = IDLE_US,
					    .ahead = 1,
					    .bytes = on_bytes,
					    .verdict = on_verdict };
