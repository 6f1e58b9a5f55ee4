#include "front/gate_responder.h"

#include <string.h>

#include "base/log.h"
#include "core/reply.h"
#include "kernel/netns.h"

void gate_responder_manner(const struct config *config, unsigned service,
			   struct responder_manner *ret)
{
	const struct config_gate *c = &config->gate;
	const struct config_service *s = &config->service[service];

	memset(ret, 0, sizeof(*ret));
	ret->style = s->reply;
	ret->service = service;
	ret->reply_code = s->reply_code;
	ret->sources = config->sources.refused.count || config->sources.rate_max;
	ret->mute = s->implicit_tls;
	ret->linger_max = c->linger_max;
	ret->linger_us = c->linger_us;
	ret->cpu_ratio = c->cpu_ratio;
}

/* Called by the responder's thread. */
static enum reason reason_of(void *context, const struct in6_addr *client, uint16_t client_port,
			     uint16_t port)
{
	struct gate *const *gate_of = context;
	struct gate *gate = __atomic_load_n(gate_of, __ATOMIC_ACQUIRE);

	return gate ? gate_reason(gate, client, client_port, port) : REASON_NONE;
}

int gate_responder_open(const struct config *config, unsigned service, int netns_fd,
			struct gate **gate, struct responder **ret, char *why)
{
	struct responder_options o = { .listen = config->gate.listen,
				       .listen_option = "front.gate.listen",
				       /* Entering a namespace needs a capability, even if it is our
				        * own. */
				       .netns_fd = netns_is_own(netns_fd) ? -1 : netns_fd,
				       .mark = GATE_MARK,
				       .reason = reason_of,
				       .context = gate };

	gate_responder_manner(config, service, &o.manner);
	return responder_open(&o, ret, why);
}

void gate_responder_standin(const struct config_service *service, const struct responder *responder,
			    struct standin **ret)
{
	struct standin_options o = { .listener_v4 = responder_listener_v4(responder),
				     .listener_v6 = responder_listener_v6(responder) };
	int r;

	if (!service->implicit_tls)
		reply_line(o.greeting, sizeof(o.greeting), 421, &service->reply, REASON_SMTP, 0);
	r = standin_open(&o, ret);
	if (r < 0)
		log_warning(
			"Cannot start the stand-in for the gate's responder: %s. Clients that come while penstockd hangs wait longer.",
			strerror(-r));
}
