/* The fronts that do nothing but answer the mail server's questions, a row each: the settings that
 * their process gets, and the log lines about clients that do not speak the protocol. HAProxy also
 * has a responder: haproxy_front.c. */
#include <arpa/inet.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/log.h"
#include "front/asked.h"

static int open_front(const struct front_ops *front, const struct front_env *env,
		      struct counts *counts, void **ret_front, char *why)
{
	struct asked *a = calloc(1, sizeof(*a));
	int r = a ? asked_open(a, front->row, env, counts, why) : -ENOMEM;

	if (r < 0)
		free(a);
	else
		*ret_front = a;
	return r;
}

static void close_front(void *front, enum front_close how)
{
	asked_close(front);
	free(front);
}

/* What they have in common. */
#define ASKED_FRONT \
	.wanted = asked_wanted, .open = open_front, .reconfigure = asked_reconfigure, \
	.poll = asked_poll, .state = asked_state, .close = close_front

/* ---- the policy service of Postfix ----------------------------------------------------------- */

static void policy_complain(int error, const char *began)
{
	log_warning(
		"Cannot read a request to the policy service: %s. The connection was closed, and Postfix goes on with its default_action. It began \"%s\".",
		error == -EMSGSIZE ? "it is a request without an end" : "it is no policy request",
		began);
}

static const struct asked_row policy = { .kind = ASKED_POLICY,
					 .section = "front.policy",
					 .settings = offsetof(struct config, policy),
					 .complain = policy_complain };

const struct front_ops front_policy = {
	.name = "policy", .title = "the policy service", .row = &policy, ASKED_FRONT
};

/* ---- plain lines ----------------------------------------------------------------------------- */

static void line_complain(int error, const char *began)
{
	log_warning(
		"Cannot read what came on front.line.listen: it is not \"connect ADDRESS\". The connection was closed, and the server that asked admits its client. It began \"%s\".",
		began);
}

static const struct asked_row line = { .kind = ASKED_LINE,
				       .section = "front.line",
				       .settings = offsetof(struct config, line),
				       .complain = line_complain };

const struct front_ops front_line = {
	.name = "line", .title = "the line protocol", .row = &line, ASKED_FRONT
};

/* ---- milters --------------------------------------------------------------------------------- */

static void milter_complain(int error, const char *began)
{
	log_warning(
		"Cannot read what came on front.milter.listen: %s. The connection was closed, and the mail server goes on as it does without a milter. Let Postfix or Sendmail, and nothing else, connect there.",
		error == -EPROTONOSUPPORT ? "it is a milter protocol before version 2"
		: error == -EMSGSIZE	  ? "it is a message without an end"
					  : "it is no milter protocol");
}

static void milter_fill(const struct config_asked *settings, struct asked_opening *opening)
{
	opening->loopback = settings->loopback;
}

static const struct asked_row milter = { .kind = ASKED_MILTER,
					 .section = "front.milter",
					 .settings = offsetof(struct config, milter),
					 .complain = milter_complain,
					 .fill = milter_fill };

const struct front_ops front_milter = {
	.name = "milter", .title = "the milter", .row = &milter, ASKED_FRONT
};

/* ---- nginx' mail proxy ----------------------------------------------------------------------- */

static void nginx_complain(int error, const char *began)
{
	log_warning(
		"Cannot read what came on front.nginx.listen: it is no request of nginx' auth_http. It was answered 400 and closed. Let nginx, and nothing else, connect there.");
}

static void nginx_fill(const struct config_asked *settings, struct asked_opening *opening)
{
	const struct endpoint *backend = &settings->backend;
	const struct sockaddr_in *v4 = (const void *)&backend->address;
	const struct sockaddr_in6 *v6 = (const void *)&backend->address;
	bool is_v6 = backend->address.any.sa_family == AF_INET6;

	inet_ntop(is_v6 ? AF_INET6 : AF_INET,
		  is_v6 ? (const void *)&v6->sin6_addr : (const void *)&v4->sin_addr,
		  opening->backend, sizeof(opening->backend));
	opening->backend_port = endpoint_port(backend);
}

static const struct asked_row nginx = { .kind = ASKED_NGINX,
					.section = "front.nginx",
					.settings = offsetof(struct config, nginx),
					.ahead = true,
					.complain = nginx_complain,
					.fill = nginx_fill };

const struct front_ops front_nginx = {
	.name = "nginx", .title = "the nginx front", .row = &nginx, ASKED_FRONT
};
