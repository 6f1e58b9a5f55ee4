/* HAProxy's front in penstockd: it answers questions (haproxy.c has the protocol), and has a
 * responder for the clients that HAProxy sends there. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "core/message.h"
#include "front/asked.h"
#include "front/responder.h"

#define LINGER_MAX 2000
#define LINGER_US (20 * US_PER_S)
#define CPU_RATIO .3

struct haproxy {
	struct asked asked;
	struct responder *responder; /* NULL: not configured */
	uint64_t responder_errors;
	bool hangs; /* the responder's thread */
	char hangs_why[160];
};

static void complain(int error, const char *began)
{
	log_warning(
		"Cannot read what came on front.haproxy.listen: it is no SPOP frame that penstock knows (status %d). The connection is closed, and HAProxy passes its clients. Let the SPOE backend of HAProxy, and nothing else, connect there.",
		-error);
}

static const struct asked_row row = { .kind = ASKED_HAPROXY,
				      .section = "front.haproxy",
				      .settings = offsetof(struct config, haproxy),
				      .ahead = true,
				      .complain = complain };

static int open_responder(struct haproxy *h, char *why)
{
	const struct config *config = h->asked.env->config;
	const struct config_service *service = &config->service[h->asked.service];
	struct responder_options o = { .listen = config->haproxy.responder,
				       .listen_option = "front.haproxy.responder",
				       .no_gate = true,
				       .netns_fd = -1,
				       .manner = { .service = h->asked.service,
						   .reply_code = service->reply_code,
						   .mute = service->implicit_tls,
						   .linger_max = LINGER_MAX,
						   .linger_us = LINGER_US,
						   .cpu_ratio = CPU_RATIO } };

	o.manner.style = service->reply;
	return o.listen.count ? responder_open(&o, &h->responder, why) : 0;
}

static void haproxy_close(void *front, enum front_close how)
{
	struct haproxy *h = front;

	asked_close(&h->asked);
	responder_close(h->responder);
	free(h);
}

static int haproxy_open(const struct front_ops *ops, const struct front_env *env,
			struct counts *counts, void **ret_front, char *why)
{
	struct haproxy *h = calloc(1, sizeof(*h));
	int r = h ? asked_open(&h->asked, ops->row, env, counts, why) : -ENOMEM;

	if (r < 0) {
		free(h);
		return r;
	}
	r = open_responder(h, why);
	if (r < 0) {
		haproxy_close(h, FRONT_STOP);
		return r;
	}
	*ret_front = h;
	return 0;
}

static bool haproxy_reconfigure(void *front, const struct config *before)
{
	const struct haproxy *h = front;
	const struct config *now = h->asked.env->config;
	unsigned service = h->asked.service;

	return asked_reconfigure(front, before) &&
	       memcmp(&before->service[service], &now->service[service], sizeof(now->service[0])) ==
		       0;
}

static void haproxy_poll(void *front, uint64_t now_us, struct load *load)
{
	struct haproxy *h = front;
	struct counts *counts = h->asked.counts;
	struct responder_view view;

	if (h->responder) {
		responder_view(h->responder, &view);
		counts->service[h->asked.service].refused_lingering = view.lingering;
		counts->service[h->asked.service].refused_told = view.told;
		counts->errors += view.errors - h->responder_errors;
		h->responder_errors = view.errors;
	}
	asked_poll(front, now_us, load);
}

static bool haproxy_push(void *front, const struct plan *plan, const struct load *load,
			 uint64_t now_us)
{
	struct haproxy *h = front;
	bool before = h->hangs;

	if (!h->responder)
		return true;
	responder_push(h->responder, plan, false);
	h->hangs = responder_hangs(h->responder, now_us, h->hangs_why);
	if (h->hangs && !before)
		log_event(
			LOG_LEVEL_WARNING, MESSAGE_FRONT, "PENSTOCK_FRONT=haproxy",
			"Cannot answer clients that HAProxy sends to front.haproxy.responder: %s. They wait for their greeting. If it lasts, restart penstockd.",
			h->hangs_why);
	else if (!h->hangs && before)
		log_event(
			LOG_LEVEL_NOTICE, MESSAGE_FRONT, "PENSTOCK_FRONT=haproxy",
			"Clients that HAProxy sends to front.haproxy.responder are answered again.");
	return true;
}

static void haproxy_state(const void *front, struct front_state *ret)
{
	const struct haproxy *h = front;

	asked_state(front, ret);
	if (!ret->up || !h->hangs)
		return;
	ret->up = false;
	snprintf(ret->why, sizeof(ret->why), "%s", h->hangs_why);
}

const struct front_ops front_haproxy = {
	.name = "haproxy",
	.title = "the HAProxy front",
	.row = &row,
	.wanted = asked_wanted,
	.open = haproxy_open,
	.reconfigure = haproxy_reconfigure,
	.poll = haproxy_poll,
	.push = haproxy_push,
	.state = haproxy_state,
	.close = haproxy_close,
};
