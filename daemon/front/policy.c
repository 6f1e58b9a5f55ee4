/* The Postfix policy service. In trouble it answers nothing and closes: Postfix then takes its default_action, which the
 * documentation tells to set to DUNNO. One connection per smtpd process, kept; several questions about one SMTP session
 * (a check at RCPT) get one verdict, counted once. */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "core/reply.h"
#include "front/front.h"
#include "front/policy_codec.h"

#define BACKLOG 1024
#define COMPLAIN_US (60 * US_PER_S)

struct asker {
	struct policy *policy;
	struct asker *next, **previous;
	struct bufferevent *stream;
	struct policy_request last; /* the SMTP session that was decided last */
	bool decided, admitted;
	char reply[REPLY_MAX + 1];
};

struct policy {
	struct front_env *env;
	struct evconnlistener *listener;
	struct event *resume;
	unsigned service, count, most;
	struct timeval idle;
	bool draining;
	uint64_t complained_us;
	struct asker *askers;
	char path[128]; /* of a UNIX socket: removed at close */
};

static void asker_free(struct asker *a)
{
	*a->previous = a->next;
	if (a->next)
		a->next->previous = a->previous;
	a->policy->count--;
	bufferevent_free(a->stream);
	free(a);
}

static bool same_session(const struct policy_request *a, const struct policy_request *b)
{
	if (a->session[0] == 0 && a->port == 0)
		return false;
	return memcmp(&a->address, &b->address, sizeof(a->address)) == 0 && a->port == b->port &&
	       strcmp(a->session, b->session) == 0;
}

static void decide(struct asker *a, const struct policy_request *request)
{
	struct policy *p = a->policy;
	struct front_client client = { .address = request->address,
				       .port = request->port,
				       .service = p->service };

	if (a->decided && same_session(&a->last, request))
		return;
	a->last = *request;
	a->decided = true;
	a->admitted = p->env->ask(p->env->context, p->env, &client, a->reply).admit;
}

static void answer(struct asker *a, const struct policy_request *request)
{
	char line[REPLY_MAX + 32];
	size_t n;

	decide(a, request);
	n = policy_action(line, sizeof(line),
			  a->policy->draining || a->admitted ? "DUNNO" : a->reply);
	bufferevent_write(a->stream, line, n);
}

static void complain(struct policy *p, int error, const char *bytes, size_t length)
{
	uint64_t now_us = clock_monotonic_us();
	char buffer[96];
	struct text shown = TEXT_OF(buffer);

	p->env->counts->malformed++;
	if (p->complained_us && now_us - p->complained_us < COMPLAIN_US)
		return;
	p->complained_us = now_us;
	buffer[0] = 0;
	text_append_clean(&shown, bytes, length < 64 ? length : 64);
	log_warning(
		"the policy service got %s and closed the connection (Postfix goes on with its default_action): \"%s\"",
		error == -EMSGSIZE ? "a request without an end"
				   : "something that is no policy request",
		buffer);
}

static void on_read(struct bufferevent *stream, void *context)
{
	struct asker *a = context;
	struct evbuffer *input = bufferevent_get_input(stream);

	while (evbuffer_get_length(input)) {
		struct policy_request request;
		size_t length = evbuffer_get_length(input), size = 0;
		const char *bytes = (const char *)evbuffer_pullup(input, -1);
		int r = bytes ? policy_parse(bytes, length, &request, &size) : -ENOMEM;

		if (r == 0)
			return;
		if (r < 0) {
			complain(a->policy, r, bytes, bytes ? length : 0);
			asker_free(a);
			return;
		}
		answer(a, &request);
		evbuffer_drain(input, size);
	}
}

static void on_event(struct bufferevent *stream, short what, void *context)
{
	asker_free(context);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
		      int length, void *context)
{
	struct policy *p = context;
	struct asker *a = p->count < p->most ? calloc(1, sizeof(*a)) : NULL;

	if (a)
		a->stream = bufferevent_socket_new(p->env->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!a || !a->stream) {
		p->env->counts->errors++;
		free(a);
		close(fd);
		return;
	}
	a->policy = p;
	a->next = p->askers;
	a->previous = &p->askers;
	if (a->next)
		a->next->previous = &a->next;
	p->askers = a;
	p->count++;
	bufferevent_setwatermark(a->stream, EV_READ, 0, POLICY_REQUEST_MAX + 1);
	bufferevent_set_timeouts(a->stream, &p->idle, &p->idle);
	bufferevent_setcb(a->stream, on_read, NULL, on_event, a);
	bufferevent_enable(a->stream, EV_READ | EV_WRITE);
}

static void on_resume(evutil_socket_t fd, short what, void *context)
{
	evconnlistener_enable(((struct policy *)context)->listener);
}

/* Descriptors ran out: a pause, or accept would be tried for ever. */
static void on_accept_error(struct evconnlistener *listener, void *context)
{
	static const struct timeval pause = { 0, 100000 };
	struct policy *p = context;

	p->env->counts->errors++;
	evconnlistener_disable(listener);
	event_add(p->resume, &pause);
}

static void policy_drain(void *front)
{
	((struct policy *)front)->draining = true;
}

static void policy_close(void *front)
{
	struct policy *p = front;

	if (!p)
		return;
	while (p->askers)
		asker_free(p->askers);
	if (p->listener)
		evconnlistener_free(p->listener);
	if (p->resume)
		event_free(p->resume);
	if (p->path[0])
		unlink(p->path);
	free(p);
}

static unsigned socket_mode(const struct config_front *config)
{
	return config->socket_mode[0] ? (unsigned)strtoul(config->socket_mode, NULL, 8) : 0660;
}

static int policy_open(struct front_env *env, const struct config_front *config, void **ret_front,
		       char *why)
{
	struct policy *p = calloc(1, sizeof(*p));
	int fd, index = config_service_index(env->config, config->service);

	if (!p)
		return -ENOMEM;
	fd = endpoint_listen(&config->listen, BACKLOG, socket_mode(config));
	if (fd < 0) {
		snprintf(why, 160, "cannot listen on front.policy.listen = %.64s: %s%s",
			 config->listen.text, strerror(-fd),
			 fd == -EADDRINUSE ? ": another program has it" : "");
		free(p);
		return fd;
	}
	p->env = env;
	p->service = index < 0 ? 0 : (unsigned)index;
	p->most = config->connections_max;
	p->idle.tv_sec = (time_t)(config->idle_us / US_PER_S);
	p->resume = evtimer_new(env->base, on_resume, p);
	p->listener = evconnlistener_new(env->base, on_accept, p,
					 LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
	if (!p->listener || !p->resume) {
		if (!p->listener)
			close(fd);
		policy_close(p);
		return -ENOMEM;
	}
	evconnlistener_set_error_cb(p->listener, on_accept_error);
	if (config->listen.kind == ENDPOINT_UNIX)
		snprintf(p->path, sizeof(p->path), "%s", config->listen.text + strlen("unix:"));
	env->counts->serves = 1ull << p->service;
	*ret_front = p;
	return 0;
}

const struct front_ops front_policy = {
	.name = "policy", .open = policy_open, .drain = policy_drain, .close = policy_close
};
