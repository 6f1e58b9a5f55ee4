/* The plain line protocol (line_codec.h): Exim asks by readsocket, other servers by any means to
 * write a line and read one. A connection may carry any number of questions, and each gets a
 * verdict of its own. On bytes that are no question the connection is closed without an answer: the
 * server then admits its client. */
#include "front/asked_protocol.h"
#include "front/line_codec.h"

static void on_verdict(struct stream *stream, struct asked_mark mark, const char *reply)
{
	char answer[REPLY_MAX + 258]; /* and a name of 255 */

	stream_write(stream, answer,
		     line_answer(answer, sizeof(answer), reply, asked_opening(stream)->hostname));
}

static int on_bytes(struct stream *stream, const char *bytes, size_t length, size_t *ret_size)
{
	struct line_request request;
	int r = line_parse(bytes, length, &request, ret_size);

	if (r < 0)
		asked_complain(stream, r, bytes, length);
	if (r <= 0)
		return r;
	asked_ask(stream,
		  &(struct asked_client){ request.address, request.address_known, request.port },
		  (struct asked_mark){ 0 });
	return 1;
}

const struct asked_protocol asked_line = {
	.input_max = LINE_REQUEST_MAX, .ahead = 64, .bytes = on_bytes, .verdict = on_verdict
};
