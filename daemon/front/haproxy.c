/* HAProxy: it asks for each connection by SPOE (spop_codec.h), passes it unless it is told to
 * defer, and sends those to the responder, which speaks SMTP for it. An agent that is gone, hangs
 * or talks nonsense sets no variable: HAProxy passes the connection.
 *
 * client --> HAProxy -- src ----> penstockd (SPOE: a few bytes on a connection that is kept)
 *	              |    <- defer ---
 *	              +--> mail server, or our responder: 451 until QUIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "core/reply.h"
#include "front/front.h"
#include "front/responder.h"
#include "front/spop_codec.h"
#include "front/streams.h"

#define COMPLAIN_US (60 * US_PER_S)
#define IDLE_US (330 * US_PER_S) /* HAProxy closes what it does not need sooner */
#define LINGER_MAX 2000
#define LINGER_US (20 * US_PER_S)
#define CPU_RATIO .3

struct haproxy {
	const struct front_env *env;
	struct counts *counts;
	struct streams *streams;
	struct responder *responder; /* NULL: not asked for */
	unsigned service;
	bool draining;
	uint64_t complained_us, responder_errors;
};

/* Of one SPOE connection. */
struct peer {
	bool greeted;
};

static void complain(struct haproxy *h, int status)
{
	uint64_t now_us = clock_monotonic_us();

	h->counts->malformed++;
	if (h->complained_us && now_us - h->complained_us < COMPLAIN_US)
		return;
	h->complained_us = now_us;
	log_warning(
		"Cannot read what came on front.haproxy.listen: it is no SPOP frame that penstock knows (status %d). The connection is closed, and HAProxy passes its clients. Let the SPOE backend of HAProxy, and nothing else, connect there.",
		-status);
}

static size_t decide(struct haproxy *h, const struct spop_request *q, uint8_t *buf)
{
	const struct config_service *service = &h->env->config->service[h->service];
	struct front_client client = { .address = q->address,
				       .address_known = q->address_known,
				       .service = h->service,
				       .ahead = true };
	char text[REPLY_MAX + 1], named[REPLY_MAX + 1];
	bool admit = h->env->desk->decide(h->env->context, &client, h->counts, text).admit;

	if (admit || h->draining ||
	    !reply_named(named, sizeof(named), text, service->reply.hostname))
		return spop_put_ack(buf, q->stream, q->frame, NULL);
	return spop_put_ack(buf, q->stream, q->frame, named);
}

static int on_bytes(struct stream *stream, const char *bytes, size_t length, size_t *ret_size)
{
	struct haproxy *h = stream_context(stream);
	struct peer *peer = stream_state(stream);
	uint8_t answer[SPOP_ANSWER_MAX];
	struct spop_request q;
	int r = spop_parse((const uint8_t *)bytes, length, &q, ret_size);
	size_t n;

	if (r == 0)
		return 0;
	if (r > 0 && (q.kind == SPOP_HELLO) == peer->greeted)
		r = -SPOP_INVALID;
	if (r < 0) {
		complain(h, r);
		stream_write(stream, answer, spop_put_disconnect(answer, (enum spop_status) - r));
		return -EBADMSG;
	}
	if (q.kind == SPOP_NOTIFY) {
		n = decide(h, &q, answer);
	} else if (q.kind == SPOP_HELLO) {
		n = spop_put_hello(answer, q.frame_max);
		peer->greeted = true;
	} else {
		n = spop_put_disconnect(answer, SPOP_OK);
	}
	stream_write(stream, answer, n);
	if (q.kind == SPOP_DISCONNECT || (q.kind == SPOP_HELLO && q.health_check))
		stream_finish(stream);
	return 1;
}

static void haproxy_drain(void *front)
{
	((struct haproxy *)front)->draining = true;
}

static void haproxy_close(void *front, enum front_close how)
{
	struct haproxy *h = front;

	streams_close(h->streams);
	responder_close(h->responder);
	free(h);
}

static bool haproxy_wanted(const struct config *config)
{
	return config->haproxy.enabled;
}

static int open_responder(struct haproxy *h, char *why)
{
	const struct config *config = h->env->config;
	const struct config_service *service = &config->service[h->service];
	struct responder_options o = { .listen = config->haproxy.responder,
				       .listen_option = "front.haproxy.responder",
				       .no_gate = true,
				       .netns_fd = -1,
				       .manner = { .service = h->service,
						   .reply_code = service->reply_code,
						   .mute = service->tls == TLS_IMPLICIT,
						   .linger_max = LINGER_MAX,
						   .linger_us = LINGER_US,
						   .cpu_ratio = CPU_RATIO } };

	o.manner.style = service->reply;
	return o.listen.count ? responder_open(&o, &h->responder, why) : 0;
}

static int haproxy_open(const struct front_env *env, struct counts *counts, void **ret_front,
			char *why)
{
	const struct config_haproxy *config = &env->config->haproxy;
	int r, index = config_service_index(env->config, config->service);
	struct haproxy *h = calloc(1, sizeof(*h));
	struct streams_options o = { .section = "front.haproxy",
				     .listen = config->listen,
				     .connections_max = config->connections_max,
				     .idle_us = IDLE_US,
				     .input_max = SPOP_FRAME_MAX + 4,
				     .state_size = sizeof(struct peer),
				     .bytes = on_bytes,
				     .context = h };

	if (!h)
		return -ENOMEM;
	memcpy(o.socket_mode, config->socket_mode, sizeof(o.socket_mode));
	h->env = env;
	h->counts = counts;
	h->service = index < 0 ? 0 : (unsigned)index;
	r = open_responder(h, why);
	if (r == 0)
		r = streams_open(env, &o, counts, &h->streams, why);
	if (r < 0) {
		haproxy_close(h, FRONT_STOP);
		return r;
	}
	counts->serves = 1ull << h->service;
	*ret_front = h;
	return 0;
}

static bool haproxy_reconfigure(void *front, const struct config *before)
{
	const struct haproxy *h = front;
	const struct config *now = h->env->config;
	int index = config_service_index(now, now->haproxy.service);

	return memcmp(&before->haproxy, &now->haproxy, sizeof(now->haproxy)) == 0 &&
	       index == (int)h->service &&
	       memcmp(&before->service[index], &now->service[index], sizeof(now->service[0])) == 0;
}

static void haproxy_poll(void *front, uint64_t now_us, struct load *load)
{
	struct haproxy *h = front;
	struct counts_service *c = &h->counts->service[h->service];
	struct responder_view view;

	if (h->responder) {
		responder_view(h->responder, &view);
		c->refused_lingering = view.lingering;
		c->refused_told = view.told;
		h->counts->errors += view.errors - h->responder_errors;
		h->responder_errors = view.errors;
	}
	front_poll_counts(h->env->config, h->counts, load);
}

static bool haproxy_push(void *front, const struct plan *plan, const struct load *load,
			 uint64_t now_us)
{
	struct haproxy *h = front;

	if (h->responder)
		responder_push(h->responder, plan, false);
	return true;
}

static void haproxy_state(const void *front, struct front_state *ret)
{
	ret->up = true;
}

const struct front_ops front_haproxy = {
	.name = "haproxy",
	.title = "the HAProxy front",
	.wanted = haproxy_wanted,
	.open = haproxy_open,
	.reconfigure = haproxy_reconfigure,
	.poll = haproxy_poll,
	.push = haproxy_push,
	.state = haproxy_state,
	.drain = haproxy_drain,
	.close = haproxy_close,
};
