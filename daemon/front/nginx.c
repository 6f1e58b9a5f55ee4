/* nginx' mail proxy: it asks by HTTP (auth_codec.h) once the client has named its recipient, passes
 * the client on to the server that the answer names, or says 451 and closes. nginx itself answers
 * 451 when nobody answers it, so it has to ask through a location of its own that says yes then:
 * snippets/nginx.md. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "core/reply.h"
#include "front/auth_codec.h"
#include "front/front.h"
#include "front/streams.h"

#define COMPLAIN_US (60 * US_PER_S)
#define IDLE_US (10 * US_PER_S) /* a question is asked at once */

struct nginx {
	const struct front_env *env;
	struct counts *counts;
	struct streams *streams;
	unsigned service;
	char address[INET6_ADDRSTRLEN]; /* of the mail server, as nginx is told */
	uint16_t port;
	bool draining;
	uint64_t complained_us;
};

static void complain(struct nginx *n)
{
	uint64_t now_us = clock_monotonic_us();

	n->counts->malformed++;
	if (n->complained_us && now_us - n->complained_us < COMPLAIN_US)
		return;
	n->complained_us = now_us;
	log_warning(
		"Cannot read what came on front.nginx.listen: it is no request of nginx' auth_http. It was answered 400 and closed. Let nginx, and nothing else, connect there.");
}

static size_t decide(struct nginx *n, const struct auth_request *q, char *buf)
{
	struct front_client client = { .address = q->address,
				       .address_known = q->address_known,
				       .service = n->service,
				       .ahead = true };
	char reply[REPLY_MAX + 1];

	if (!q->smtp || n->draining ||
	    n->env->desk->decide(n->env->context, &client, n->counts, reply).admit)
		return auth_admit(buf, n->address, n->port);
	return auth_defer(buf, reply);
}

static int on_bytes(struct stream *stream, const char *bytes, size_t length, size_t *ret_size)
{
	struct nginx *n = stream_context(stream);
	char answer[AUTH_ANSWER_MAX];
	struct auth_request q;
	int r = auth_parse(bytes, length, &q, ret_size);

	if (r == 0)
		return 0;
	if (r < 0) {
		complain(n);
		stream_write(stream, answer, auth_bad(answer));
		return r;
	}
	stream_write(stream, answer, decide(n, &q, answer));
	stream_finish(stream);
	return 1;
}

static void nginx_drain(void *front)
{
	((struct nginx *)front)->draining = true;
}

static void nginx_close(void *front, enum front_close how)
{
	struct nginx *n = front;

	streams_close(n->streams);
	free(n);
}

static bool nginx_wanted(const struct config *config)
{
	return config->nginx.enabled;
}

static void name_backend(struct nginx *n, const struct endpoint *backend)
{
	const struct sockaddr_in *v4 = (const void *)&backend->address;
	const struct sockaddr_in6 *v6 = (const void *)&backend->address;

	if (backend->address.any.sa_family == AF_INET6) {
		inet_ntop(AF_INET6, &v6->sin6_addr, n->address, sizeof(n->address));
		n->port = ntohs(v6->sin6_port);
	} else {
		inet_ntop(AF_INET, &v4->sin_addr, n->address, sizeof(n->address));
		n->port = ntohs(v4->sin_port);
	}
}

static int nginx_open(const struct front_env *env, struct counts *counts, void **ret_front,
		      char *why)
{
	const struct config_nginx *config = &env->config->nginx;
	int r, index = config_service_index(env->config, config->service);
	struct nginx *n = calloc(1, sizeof(*n));
	struct streams_options o = { .section = "front.nginx",
				     .listen = config->listen,
				     .connections_max = config->connections_max,
				     .idle_us = IDLE_US,
				     .input_max = AUTH_REQUEST_MAX,
				     .bytes = on_bytes,
				     .context = n };

	if (!n)
		return -ENOMEM;
	memcpy(o.socket_mode, config->socket_mode, sizeof(o.socket_mode));
	n->env = env;
	n->counts = counts;
	n->service = index < 0 ? 0 : (unsigned)index;
	name_backend(n, &config->backend);
	r = streams_open(env, &o, counts, &n->streams, why);
	if (r < 0) {
		free(n);
		return r;
	}
	counts->serves = 1ull << n->service;
	*ret_front = n;
	return 0;
}

static bool nginx_reconfigure(void *front, const struct config *before)
{
	const struct nginx *n = front;
	const struct config *now = n->env->config;

	return memcmp(&before->nginx, &now->nginx, sizeof(now->nginx)) == 0 &&
	       config_service_index(now, now->nginx.service) == (int)n->service;
}

static void nginx_poll(void *front, uint64_t now_us, struct load *load)
{
	const struct nginx *n = front;

	front_poll_counts(n->env->config, n->counts, load);
}

static void nginx_state(const void *front, struct front_state *ret)
{
	ret->up = true;
}

const struct front_ops front_nginx = {
	.name = "nginx",
	.title = "the nginx front",
	.wanted = nginx_wanted,
	.open = nginx_open,
	.reconfigure = nginx_reconfigure,
	.poll = nginx_poll,
	.state = nginx_state,
	.drain = nginx_drain,
	.close = nginx_close,
};
