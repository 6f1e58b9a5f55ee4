/* The plain line protocol: Exim asks by readsocket, others by whatever can write a line and read
 * one (line_codec.h). Any number of questions on a connection, each answered by a verdict of its
 * own. What is no question is answered by nothing and closed: who asks then admits the client. */
#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/text.h"
#include "core/reply.h"
#include "front/asked.h"
#include "front/line_codec.h"

struct line {
	struct asked asked;
};

static void complain(struct line *l, const char *bytes, size_t length)
{
	char buffer[96];
	struct text shown = TEXT_OF(buffer);

	if (!asked_complains(&l->asked))
		return;
	buffer[0] = 0;
	text_append_clean(&shown, bytes, length < 64 ? length : 64);
	log_warning(
		"Cannot read what came on front.line.listen: it is not \"connect ADDRESS\". The connection was closed, and the server that asked admits its client. It began \"%s\".",
		buffer);
}

static size_t decide(struct line *l, const struct line_request *request, char *answer, size_t size)
{
	const struct asked *a = &l->asked;
	char reply[REPLY_MAX + 1];
	bool admit = asked_admits(&l->asked, &request->address, request->address_known,
				  request->port, reply);

	return line_answer(answer, size, admit ? NULL : reply,
			   a->env->config->service[a->service].reply.hostname);
}

static int on_bytes(struct stream *stream, const char *bytes, size_t length, size_t *ret_size)
{
	struct line *l = stream_context(stream);
	struct line_request request;
	char answer[REPLY_MAX + 258]; /* and a name of 255 */
	int r = line_parse(bytes, length, &request, ret_size);

	if (r < 0)
		complain(l, bytes, length);
	if (r <= 0)
		return r;
	stream_write(stream, answer, decide(l, &request, answer, sizeof(answer)));
	return 1;
}

static void line_close(void *front, enum front_close how)
{
	struct line *l = front;

	asked_close(&l->asked);
	free(l);
}

static bool line_wanted(const struct config *config)
{
	return config->line.enabled;
}

static int line_open(const struct front_env *env, struct counts *counts, void **ret_front,
		     char *why)
{
	struct line *l = calloc(1, sizeof(*l));
	struct streams_options o = { .section = "front.line",
				     .input_max = LINE_REQUEST_MAX,
				     .bytes = on_bytes,
				     .context = l };
	int r = l ? asked_open(&l->asked, env, &env->config->line, &o, counts, why) : -ENOMEM;

	if (r < 0)
		free(l);
	else
		*ret_front = l;
	return r;
}

static bool line_reconfigure(void *front, const struct config *before)
{
	const struct line *l = front;

	return asked_goes_on(&l->asked, &before->line, &l->asked.env->config->line);
}

const struct front_ops front_line = {
	.name = "line",
	.title = "the line protocol",
	.wanted = line_wanted,
	.open = line_open,
	.reconfigure = line_reconfigure,
	.poll = asked_poll,
	.state = asked_state,
	.drain = asked_drain,
	.close = line_close,
};
