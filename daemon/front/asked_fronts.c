/* The fronts that do nothing but answer the mail server's questions: the settings that their
 * process gets, and the log lines about clients that do not speak the protocol. HAProxy also has a
 * responder: haproxy_front.c. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "front/asked.h"

static int open_front(const struct front_env *env, const struct asked_options *options,
		      struct counts *counts, void **ret_front, char *why)
{
	struct asked *a = calloc(1, sizeof(*a));
	int r = a ? asked_open(a, env, options, counts, why) : -ENOMEM;

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

/* `before` and `now`: the front's section of the configuration, `size` octets. */
static bool goes_on(struct asked *a, const void *before, const void *now, size_t size,
		    const char *service)
{
	if (memcmp(before, now, size) != 0 ||
	    config_service_index(a->env->config, service) != (int)a->service)
		return false;
	asked_helper_changed(a->env->asked, &a->served);
	return true;
}

static int open_configured(const struct front_env *env, const struct config_front *config,
			   struct asked_options options, struct counts *counts, void **ret_front,
			   char *why)
{
	options.listen = &config->listen;
	options.service = config->service;
	options.socket_mode = config->socket_mode;
	options.connections_max = config->connections_max;
	options.idle_us = config->idle_us;
	return open_front(env, &options, counts, ret_front, why);
}

/* ---- the policy service of Postfix ---------------------------------------------------------- */

static void policy_complain(int error, const char *began)
{
	log_warning(
		"Cannot read a request to the policy service: %s. The connection was closed, and Postfix goes on with its default_action. It began \"%s\".",
		error == -EMSGSIZE ? "it is a request without an end" : "it is no policy request",
		began);
}

static bool policy_wanted(const struct config *config)
{
	return config->policy.enabled;
}

static int policy_open(const struct front_env *env, struct counts *counts, void **ret_front,
		       char *why)
{
	return open_configured(env, &env->config->policy,
			       (struct asked_options){ .kind = ASKED_POLICY,
						       .section = "front.policy",
						       .complain = policy_complain },
			       counts, ret_front, why);
}

static bool policy_reconfigure(void *front, const struct config *before)
{
	struct asked *a = front;
	const struct config_front *now = &a->env->config->policy;

	return goes_on(a, &before->policy, now, sizeof(*now), now->service);
}

const struct front_ops front_policy = {
	.name = "policy",
	.title = "the policy service",
	.wanted = policy_wanted,
	.open = policy_open,
	.reconfigure = policy_reconfigure,
	.poll = asked_poll,
	.state = asked_state,
	.close = close_front,
};

/* ---- plain lines ---------------------------------------------------------------------------- */

static void line_complain(int error, const char *began)
{
	log_warning(
		"Cannot read what came on front.line.listen: it is not \"connect ADDRESS\". The connection was closed, and the server that asked admits its client. It began \"%s\".",
		began);
}

static bool line_wanted(const struct config *config)
{
	return config->line.enabled;
}

static int line_open(const struct front_env *env, struct counts *counts, void **ret_front,
		     char *why)
{
	return open_configured(env, &env->config->line,
			       (struct asked_options){ .kind = ASKED_LINE,
						       .section = "front.line",
						       .complain = line_complain },
			       counts, ret_front, why);
}

static bool line_reconfigure(void *front, const struct config *before)
{
	struct asked *a = front;
	const struct config_front *now = &a->env->config->line;

	return goes_on(a, &before->line, now, sizeof(*now), now->service);
}

const struct front_ops front_line = {
	.name = "line",
	.title = "the line protocol",
	.wanted = line_wanted,
	.open = line_open,
	.reconfigure = line_reconfigure,
	.poll = asked_poll,
	.state = asked_state,
	.close = close_front,
};

/* ---- milters -------------------------------------------------------------------------------- */

static void milter_complain(int error, const char *began)
{
	log_warning(
		"Cannot read what came on front.milter.listen: %s. The connection was closed, and the mail server goes on as it does without a milter. Let Postfix or Sendmail, and nothing else, connect there.",
		error == -EPROTONOSUPPORT ? "it is a milter protocol before version 2"
		: error == -EMSGSIZE	  ? "it is a message without an end"
					  : "it is no milter protocol");
}

static void milter_fill(const struct config *config, struct asked_opening *opening)
{
	opening->loopback = config->milter.loopback;
}

static bool milter_wanted(const struct config *config)
{
	return config->milter.enabled;
}

static int milter_open(const struct front_env *env, struct counts *counts, void **ret_front,
		       char *why)
{
	return open_configured(env, &env->config->milter,
			       (struct asked_options){ .kind = ASKED_MILTER,
						       .section = "front.milter",
						       .complain = milter_complain,
						       .fill = milter_fill },
			       counts, ret_front, why);
}

static bool milter_reconfigure(void *front, const struct config *before)
{
	struct asked *a = front;
	const struct config_front *now = &a->env->config->milter;

	return goes_on(a, &before->milter, now, sizeof(*now), now->service);
}

const struct front_ops front_milter = {
	.name = "milter",
	.title = "the milter",
	.wanted = milter_wanted,
	.open = milter_open,
	.reconfigure = milter_reconfigure,
	.poll = asked_poll,
	.state = asked_state,
	.close = close_front,
};

/* ---- nginx' mail proxy ---------------------------------------------------------------------- */

static void nginx_complain(int error, const char *began)
{
	log_warning(
		"Cannot read what came on front.nginx.listen: it is no request of nginx' auth_http. It was answered 400 and closed. Let nginx, and nothing else, connect there.");
}

static void nginx_fill(const struct config *config, struct asked_opening *opening)
{
	const struct endpoint *backend = &config->nginx.backend;
	const struct sockaddr_in *v4 = (const void *)&backend->address;
	const struct sockaddr_in6 *v6 = (const void *)&backend->address;
	bool is_v6 = backend->address.any.sa_family == AF_INET6;

	inet_ntop(is_v6 ? AF_INET6 : AF_INET,
		  is_v6 ? (const void *)&v6->sin6_addr : (const void *)&v4->sin_addr,
		  opening->backend, sizeof(opening->backend));
	opening->backend_port = endpoint_port(backend);
}

static bool nginx_wanted(const struct config *config)
{
	return config->nginx.enabled;
}

static int nginx_open(const struct front_env *env, struct counts *counts, void **ret_front,
		      char *why)
{
	const struct config_nginx *config = &env->config->nginx;
	struct asked_options options = { .kind = ASKED_NGINX,
					 .section = "front.nginx",
					 .listen = &config->listen,
					 .service = config->service,
					 .socket_mode = config->socket_mode,
					 .connections_max = config->connections_max,
					 .ahead = true,
					 .complain = nginx_complain,
					 .fill = nginx_fill };

	return open_front(env, &options, counts, ret_front, why);
}

static bool nginx_reconfigure(void *front, const struct config *before)
{
	struct asked *a = front;
	const struct config_nginx *now = &a->env->config->nginx;

	return goes_on(a, &before->nginx, now, sizeof(*now), now->service);
}

const struct front_ops front_nginx = {
	.name = "nginx",
	.title = "the nginx front",
	.wanted = nginx_wanted,
	.open = nginx_open,
	.reconfigure = nginx_reconfigure,
	.poll = asked_poll,
	.state = asked_state,
	.close = close_front,
};
