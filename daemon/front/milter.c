/* The milter protocol: Postfix and Sendmail ask at connect (milter_codec.h). Who is admitted is
 * accepted at once, and the server says no more about that client. Who is deferred hears it at MAIL
 * where the reply is 451: both servers greet all the same when a milter says 451 at connect, and
 * Sendmail would say it in words of its own. 421 is said at connect, and both servers hang up.
 * The verdict of a client stands until it leaves. In trouble we close, and the server goes on
 * without us: snippets/postfix/milter.md has its default action.
 *
 *	server -- options ->  front      as few steps as the server can leave out
 *	       -- connect ->             verdict: accept | go on | 421
 *	       -- MAIL ---->             451
 *	       -- quit ---->                                                              */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "core/reply.h"
#include "front/asked.h"
#include "front/milter_codec.h"

struct milter {
	struct asked asked;
};

/* Of one connection. */
struct session {
	struct milter_reader reader;
	bool greeted, connected, deferred;
	char reply[REPLY_MAX + 1];
};

static void complain(struct milter *m, int error)
{
	if (!asked_complains(&m->asked))
		return;
	log_warning(
		"Cannot read what came on front.milter.listen: %s. The connection was closed, and the mail server goes on as it does without a milter. Let Postfix or Sendmail, and nothing else, connect there.",
		error == -EPROTONOSUPPORT ? "it is a milter protocol before version 2"
		: error == -EMSGSIZE	  ? "it is a message without an end"
					  : "it is no milter protocol");
}

/* Of this host itself, such as a program that hands in mail. */
static bool is_own(const struct milter_message *q)
{
	const struct in6_addr *a = &q->address;

	return q->local ||
	       (q->address_known &&
		(IN6_IS_ADDR_LOOPBACK(a) || (IN6_IS_ADDR_V4MAPPED(a) && a->s6_addr[12] == 127)));
}

static void decide(struct milter *m, struct session *s, const struct milter_message *q)
{
	const struct asked *a = &m->asked;
	const struct config *config = a->env->config;
	char reply[REPLY_MAX + 1];

	s->connected = true;
	s->deferred = false;
	if (is_own(q) && !config->milter.loopback)
		return;
	if (!asked_admits(&m->asked, &q->address, q->address_known, q->port, reply))
		s->deferred = reply_named(s->reply, sizeof(s->reply), reply,
					  config->service[a->service].reply.hostname) > 0;
}

/* What the server is told at this step; octets in `buf`. */
static size_t answer(const struct milter *m, const struct session *s, enum milter_kind kind,
		     uint8_t *buf)
{
	bool hang_up = strncmp(s->reply, "421", 3) == 0;

	if (!s->deferred || m->asked.draining)
		return milter_put_step(buf, true);
	if (kind == MILTER_ENVELOPE || (kind == MILTER_CONNECT && hang_up))
		return milter_put_reply(buf, s->reply);
	return milter_put_step(buf, false);
}

/* Whether the server may say this now: options, then a client, then what that client does. */
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

static int on_bytes(struct stream *stream, const char *bytes, size_t length, size_t *ret_size)
{
	struct milter *m = stream_context(stream);
	struct session *s = stream_state(stream);
	uint8_t buf[MILTER_ANSWER_MAX];
	struct milter_message q;
	size_t n = 0;
	int r = milter_parse(&s->reader, (const uint8_t *)bytes, length, &q, ret_size);

	if (r > 0 && !in_order(s, q.kind))
		r = -EBADMSG;
	if (r < 0)
		complain(m, r);
	if (r <= 0)
		return r;
	if (q.kind == MILTER_OPTIONS) {
		s->greeted = true;
		n = milter_put_options(buf, q.version, q.steps);
	} else if (q.kind == MILTER_QUIT) {
		stream_finish(stream);
	} else if (q.kind == MILTER_AGAIN) {
		s->connected = false;
	} else if (q.kind != MILTER_NOTHING) {
		if (q.kind == MILTER_CONNECT)
			decide(m, s, &q);
		n = answer(m, s, q.kind, buf);
	}
	if (n)
		stream_write(stream, buf, n);
	return 1;
}

static void milter_close(void *front, enum front_close how)
{
	struct milter *m = front;

	asked_close(&m->asked);
	free(m);
}

static bool milter_wanted(const struct config *config)
{
	return config->milter.enabled;
}

static int milter_open(const struct front_env *env, struct counts *counts, void **ret_front,
		       char *why)
{
	struct milter *m = calloc(1, sizeof(*m));
	struct streams_options o = { .section = "front.milter",
				     .input_max = MILTER_INPUT_MAX,
				     .state_size = sizeof(struct session),
				     .bytes = on_bytes,
				     .context = m };
	int r = m ? asked_open(&m->asked, env, &env->config->milter, &o, counts, why) : -ENOMEM;

	if (r < 0)
		free(m);
	else
		*ret_front = m;
	return r;
}

static bool milter_reconfigure(void *front, const struct config *before)
{
	const struct milter *m = front;

	return asked_goes_on(&m->asked, &before->milter, &m->asked.env->config->milter);
}

const struct front_ops front_milter = {
	.name = "milter",
	.title = "the milter",
	.wanted = milter_wanted,
	.open = milter_open,
	.reconfigure = milter_reconfigure,
	.poll = asked_poll,
	.state = asked_state,
	.drain = asked_drain,
	.close = milter_close,
};
