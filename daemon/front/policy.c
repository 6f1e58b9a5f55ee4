/* The Postfix policy service. In trouble it answers nothing and closes: Postfix then takes its
 * default_action, which the documentation tells to set to DUNNO. One connection per smtpd process,
 * kept; several questions about one SMTP session (a check at RCPT) get one verdict, counted
 * once. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "core/reply.h"
#include "front/asked.h"
#include "front/policy_codec.h"

/* Of one connection: the SMTP session that was decided last. */
struct asker {
	struct policy_request last;
	bool decided, admitted;
	char reply[REPLY_MAX + 1];
};

struct policy {
	struct asked asked;
};

static bool same_session(const struct policy_request *a, const struct policy_request *b)
{
	if (a->session[0] == 0 && a->port == 0)
		return false;
	return memcmp(&a->address, &b->address, sizeof(a->address)) == 0 && a->port == b->port &&
	       strcmp(a->session, b->session) == 0;
}

static void decide(struct policy *p, struct asker *a, const struct policy_request *request)
{
	if (a->decided && same_session(&a->last, request))
		return;
	a->last = *request;
	a->decided = true;
	a->admitted = asked_admits(&p->asked, &request->address, request->address_known,
				   request->port, a->reply);
}

static void complain(struct policy *p, int error, const char *bytes, size_t length)
{
	char buffer[96];
	struct text shown = TEXT_OF(buffer);

	if (!asked_complains(&p->asked))
		return;
	buffer[0] = 0;
	text_append_clean(&shown, bytes, length < 64 ? length : 64);
	log_warning(
		"Cannot read a request to the policy service: %s. The connection was closed, and Postfix goes on with its default_action. It began \"%s\".",
		error == -EMSGSIZE ? "it is a request without an end" : "it is no policy request",
		buffer);
}

static int on_bytes(struct stream *stream, const char *bytes, size_t length, size_t *ret_size)
{
	struct policy *p = stream_context(stream);
	struct asker *a = stream_state(stream);
	struct policy_request request;
	char line[REPLY_MAX + 32];
	int r = policy_parse(bytes, length, &request, ret_size);

	if (r < 0)
		complain(p, r, bytes, length);
	if (r <= 0)
		return r;
	decide(p, a, &request);
	length = policy_action(line, sizeof(line),
			       p->asked.draining || a->admitted ? "DUNNO" : a->reply);
	stream_write(stream, line, length);
	return 1;
}

static void policy_close(void *front, enum front_close how)
{
	struct policy *p = front;

	asked_close(&p->asked);
	free(p);
}

static bool policy_wanted(const struct config *config)
{
	return config->policy.enabled;
}

static int policy_open(const struct front_env *env, struct counts *counts, void **ret_front,
		       char *why)
{
	struct policy *p = calloc(1, sizeof(*p));
	struct streams_options o = { .section = "front.policy",
				     .input_max = POLICY_REQUEST_MAX,
				     .state_size = sizeof(struct asker),
				     .bytes = on_bytes,
				     .context = p };
	int r = p ? asked_open(&p->asked, env, &env->config->policy, &o, counts, why) : -ENOMEM;

	if (r < 0)
		free(p);
	else
		*ret_front = p;
	return r;
}

static bool policy_reconfigure(void *front, const struct config *before)
{
	const struct policy *p = front;

	return asked_goes_on(&p->asked, &before->policy, &p->asked.env->config->policy);
}

const struct front_ops front_policy = {
	.name = "policy",
	.title = "the policy service",
	.wanted = policy_wanted,
	.open = policy_open,
	.reconfigure = policy_reconfigure,
	.poll = asked_poll,
	.state = asked_state,
	.drain = asked_drain,
	.close = policy_close,
};
