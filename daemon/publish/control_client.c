/* A client of the control socket and its call: the answer, and the CPU time that it costs. */
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "publish/asker.h"
#include "publish/control_process_parts.h"

#define USER_WATCHERS 4

static void send_reply(struct client *c, const char *error, json_t *parameters)
{
	char *text = varlink_reply(error, parameters, false);

	if (text)
		bufferevent_write(c->stream, text, strlen(text) + 1);
	free(text);
}

void control_reply(struct client *c, const struct varlink_call *call, const char *error,
		   json_t *parameters)
{
	if (call->oneway)
		json_decref(parameters);
	else
		send_reply(c, error, parameters);
}

void control_refuse(struct client *c, bool oneway, int r, const char *reason)
{
	if (!oneway)
		send_reply(c, "io.penstock.Refused",
			   json_pack("{s:s}", "reason", reason[0] ? reason : strerror(-r)));
}

void control_ask(struct client *c, const struct varlink_call *call, struct control_question *q)
{
	struct control_process *p = c->process;

	if (++p->ids == 0)
		p->ids = 1;
	c->asked = q->head.id = p->ids;
	c->oneway = call->oneway;
	c->more = call->more;
	bufferevent_disable(c->stream, EV_READ);
	asker_ask(p->asker, q);
}

unsigned control_of_user(const struct control_process *p, uid_t uid, bool watching)
{
	unsigned count = 0;

	for (const struct client *c = p->clients; c; c = c->next)
		count += c->uid == uid && (!watching || c->watching);
	return count;
}

bool control_may_watch(const struct client *c)
{
	return c->privileged || control_of_user(c->process, c->uid, true) < USER_WATCHERS;
}
