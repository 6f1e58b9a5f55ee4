/* The gate as a front: the kernel's part (kernel/gate.h) and the responder (front/responder.h) are opened, fed and read together.
 * The responder first: the gate hands connections to it from the moment that it is attached. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fdstore.h"
#include "base/log.h"
#include "daemon_parts.h"
#include "kernel/netns.h"
#include "kernel/sockdiag.h"

#define SAY_US (60 * US_PER_S)

static const char *const kept_names[] = { "gate-lookup",    "gate-state",	"gate-destroy",
					  "gate-map-state", "gate-map-tickets", "gate-map-sessions",
					  "gate-map-held" };

/* ---- life -------------------------------------------------------------------------------------------------------- */

/* By the responder's thread. */
static enum reason reason_of(void *context, const struct in6_addr *client, uint16_t client_port,
			     uint16_t port)
{
	struct gating *g = context;
	struct gate *gate = __atomic_load_n(&g->gate, __ATOMIC_ACQUIRE);

	return gate ? gate_reason(gate, client, client_port, port) : REASON_NONE;
}

static void manner_from(const struct daemon *d, struct responder_manner *manner)
{
	const struct config_gate *c = &d->config.gate;
	const struct config_service *service = &d->config.service[d->gating.service];

	memset(manner, 0, sizeof(*manner));
	snprintf(manner->hostname, sizeof(manner->hostname), "%s", service->hostname);
	manner->service = d->gating.service;
	manner->reply_code = service->reply_code;
	manner->sources = d->config.sources.refused.count || d->config.sources.rate_max;
	manner->mute = service->tls == TLS_IMPLICIT;
	manner->linger_max = c->linger_max;
	manner->linger_us = c->linger_us;
	manner->cpu_ratio = c->cpu_ratio;
}

static int open_responder(struct daemon *d, char *why)
{
	struct gating *g = &d->gating;
	struct responder_options o = { .listen = d->config.gate.listen,
				       /* Entering even our own takes a capability. */
				       .netns_fd = netns_is_own(g->netns_fd) ? -1 : g->netns_fd,
				       .mark = GATE_MARK,
				       .reason = reason_of,
				       .context = g };

	manner_from(d, &o.manner);
	return responder_open(&o, &g->responder, why);
}

static int push_list(struct gate *gate, const struct config_networks *networks,
		     int (*push)(struct gate *gate, const struct gate_network *networks,
				 unsigned count))
{
	struct gate_network list[CONFIG_NETWORKS];

	for (unsigned i = 0; i < networks->count; i++)
		list[i] = (struct gate_network){ .address = networks->network[i].address,
						 .bits = networks->network[i].bits };
	return push(gate, list, networks->count);
}

static void push_networks(struct daemon *d)
{
	int r = push_list(d->gating.gate, &d->config.sources.trusted, gate_trusted);

	if (r < 0)
		log_error("not every network of source.trusted is known to the gate: %s",
			  strerror(-r));
	r = push_list(d->gating.gate, &d->config.sources.refused, gate_refused);
	if (r < 0)
		log_error("not every network of source.refused is known to the gate: %s",
			  strerror(-r));
}

/* Without it the gate works too: only who comes while penstockd hangs waits for longer. */
static void open_standin(struct daemon *d)
{
	struct gating *g = &d->gating;
	const struct config_service *service = &d->config.service[g->service];
	struct standin_options o = { .listener_v4 = responder_listener_v4(g->responder),
				     .listener_v6 = responder_listener_v6(g->responder) };
	int r;

	if (service->tls != TLS_IMPLICIT)
		snprintf(o.greeting, sizeof(o.greeting),
			 "421 4.3.2 %s overloaded, try again later\r\n", service->hostname);
	r = standin_open(&o, &g->standin);
	if (r < 0)
		log_warning("there is no stand-in for the gate's responder: %s", strerror(-r));
}

static int open_kernel(struct daemon *d, char *why)
{
	struct gating *g = &d->gating;
	const struct config_service *service = &d->config.service[g->service];
	struct gate_options o = { .service = g->service,
				  .netns_fd = g->netns_fd,
				  .listener_v4 = responder_listener_v4(g->responder),
				  .listener_v6 = responder_listener_v6(g->responder),
				  .loopback = d->config.gate.loopback };
	struct gate *gate = NULL;
	int r;

	for (unsigned i = 0; i < CONFIG_PORTS && i < GATE_PORTS; i++)
		o.ports[i] = service->ports[i];
	for (unsigned i = 0; i < sizeof(kept_names) / sizeof(*kept_names); i++) {
		int fd = fdstore_take(kept_names[i]);

		if (fd < 0)
			continue;
		o.kept[o.kept_count].name = kept_names[i];
		o.kept[o.kept_count++].fd = fd;
	}
	if (d->kernel)
		kernel_smtp_live(d->kernel, g->service, &o.live);
	r = gate_open(&o, &gate, why);
	if (r < 0)
		return r;
	__atomic_store_n(&g->gate, gate, __ATOMIC_RELEASE);
	push_networks(d);
	return 0;
}

/* So that verdicts go on while penstockd is restarted. */
static void keep(struct gating *g)
{
	const char *names[GATE_KEPT];
	int fds[GATE_KEPT];
	unsigned n = gate_kept(g->gate, names, fds);

	g->kept = fdstore_is_there();
	for (unsigned i = 0; i < n && g->kept; i++) {
		fdstore_remove(names[i]);
		g->kept = fdstore_push(names[i], fds[i]) == 0;
	}
}

void daemon_forget_gate(void)
{
	for (unsigned i = 0; i < sizeof(kept_names) / sizeof(*kept_names); i++) {
		int fd = fdstore_take(kept_names[i]);

		if (fd < 0)
			continue;
		close(fd);
		fdstore_remove(kept_names[i]);
	}
}

uint32_t daemon_gate_netns(const struct daemon *d)
{
	char why[256];
	int fd = d->config.gate.enabled && d->config.gate.netns[0]
			 ? netns_open(d->config.gate.netns, why)
			 : -1;
	uint32_t inum = fd >= 0 ? netns_inum(fd) : 0;

	if (fd >= 0)
		close(fd);
	return inum;
}

/* What sensors see of sessions and listeners they see in the namespace that the name led to when they were opened, and they hold
 * it as the gate does. */
static void follow_netns(struct daemon *d, uint32_t inum)
{
	if (inum == d->sensors_netns)
		return;
	daemon_close_sensors(d);
	daemon_open_sensors(d);
}

int daemon_open_gate(struct daemon *d, char *why)
{
	struct gating *g = &d->gating;
	const struct config_gate *c = &d->config.gate;
	struct gate_view view;
	int r, service = config_service_index(&d->config, c->service);

	if (service < 0)
		return -ENOENT;
	g->service = (unsigned)service;
	g->netns_fd = r = netns_open(c->netns, why);
	if (r < 0)
		return r;
	r = open_responder(d, why);
	if (r == 0)
		open_standin(d);
	if (r == 0)
		r = open_kernel(d, why);
	if (r < 0) {
		daemon_close_gate(d, false);
		return r;
	}
	keep(g);
	if (c->netns[0])
		follow_netns(d, netns_inum(g->netns_fd));
	gate_view(g->gate, &view);
	log_notice("the gate guards service %s (%s)%s", c->service, view.form,
		   view.taken_over ? ", taken over from the penstockd before" : "");
	return 0;
}

void daemon_close_gate(struct daemon *d, bool stay)
{
	struct gating *g = &d->gating;
	struct gate *gate = g->gate;

	/* The responder may be asking: it ends first, unless connections are still handed to it. */
	if (gate && !stay)
		gate_pause(gate, true);
	standin_close(g->standin);
	g->standin = NULL;
	responder_close(g->responder);
	g->responder = NULL;
	g->responder_errors = 0;
	g->passing = false;
	refusals_flush(&g->refusals, UINT64_MAX);
	__atomic_store_n(&g->gate, NULL, __ATOMIC_RELEASE);
	gate_close(gate, stay && g->kept);
	if (gate && g->kept && !stay)
		for (unsigned i = 0; i < sizeof(kept_names) / sizeof(*kept_names); i++)
			fdstore_remove(kept_names[i]);
	if (g->netns_fd >= 0)
		close(g->netns_fd);
	g->netns_fd = -1;
}

void daemon_reload_gate(struct daemon *d)
{
	struct responder_manner manner;

	if (!d->gating.gate)
		return;
	manner_from(d, &manner);
	responder_set_manner(d->gating.responder, &manner);
	push_networks(d);
}

/* ---- the tick ---------------------------------------------------------------------------------------------------- */

/* One line in the mail log for each source that was turned away, and epoch: they are in no other. */
static void note_refusal(struct daemon *d, const struct gate_event *event)
{
	if (!event->finished && !event->verdict.admit)
		refusals_add(&d->gating.refusals, d->plan.epoch, &event->client,
			     (enum reason)event->verdict.reason);
}

static void on_event(void *context, const struct gate_event *event)
{
	struct daemon *d = context;
	struct gate_event e = *event;

	if (e.finished && d->kernel &&
	    kernel_smtp_server_us(d->kernel, &e.client, e.client_port, e.port, &e.server_us) == 0)
		d->gating.counts.service[d->gating.service].server_us += e.server_us;
	note_refusal(d, &e);
	daemon_note_gate(d, &e, e.at_us);
}

static void count_responder(struct gating *g)
{
	struct counts_service *c = &g->counts.service[g->service];
	struct responder_view view;

	responder_view(g->responder, &view);
	c->refused_lingering = view.lingering;
	c->refused_told = view.told;
	g->counts.errors += view.errors - g->responder_errors;
	g->responder_errors = view.errors;
}

void daemon_poll_gate(struct daemon *d, uint64_t now_us)
{
	struct gating *g = &d->gating;
	const struct counts_service *c = &g->counts.service[g->service];
	struct load_service *l = &d->load.service[g->service];

	if (!g->gate)
		return;
	gate_poll(g->gate, now_us, &g->counts, on_event, d);
	refusals_flush(&g->refusals, d->plan.epoch);
	count_responder(g);
	l->offered += c->offered;
	l->admitted += c->admitted;
	l->deferred += c->deferred;
	l->would_defer += c->would_defer;
	l->in_flight += (double)c->in_flight;
	l->shadow_in_flight += (double)c->shadow_in_flight;
	l->known |= LOAD_OFFERED | LOAD_IN_FLIGHT;
}

/* Whether somebody listens where the clients go; looked at once a second. */
static void look_for_listener(struct daemon *d, uint64_t now_us)
{
	struct gating *g = &d->gating;
	struct sockdiag_listener listener;
	int fd;

	if (!d->config.gate.answer_down) {
		g->down = false;
		return;
	}
	if (now_us - g->looked_us < US_PER_S)
		return;
	g->looked_us = now_us;
	fd = sockdiag_open_in(g->netns_fd);
	if (fd < 0)
		return;
	g->down = sockdiag_listeners(fd, d->config.service[g->service].ports, CONFIG_PORTS,
				     &listener, 1) == 0;
	close(fd);
}

/* Containers come and go under one name; the gate stays in the namespace in which it was opened, where nobody listens any more. It
 * is opened anew, at the next look and again and again, until the name leads somewhere. True: it was closed. */
static bool netns_changed(struct daemon *d, uint64_t now_us)
{
	struct gating *g = &d->gating;
	const char *name = d->config.gate.netns;
	char why[256] = "";
	uint32_t inum = 0;
	int fd;

	if (!name[0] || now_us - g->netns_looked_us < US_PER_S)
		return false;
	g->netns_looked_us = now_us;
	fd = netns_open(name, why);
	/* Not to be had for another reason than that it is gone: that proves nothing. */
	if (fd < 0 && fd != -ENOENT && fd != -ESRCH)
		return false;
	if (fd >= 0) {
		inum = netns_inum(fd);
		close(fd);
	}
	if (inum == netns_inum(g->netns_fd))
		return false;
	log_notice("the network namespace '%s' is %s: the gate leaves it", name,
		   fd < 0 ? "gone" : "another one now");
	daemon_close_gate(d, false);
	follow_netns(d, inum);
	g->listener.up = false;
	g->listener.retry_us = 0;
	return true;
}

void daemon_push_gate(struct daemon *d, uint64_t now_us)
{
	struct gating *g = &d->gating;
	const struct load_service *l = &d->load.service[g->service];
	bool fit;

	if (!g->gate || netns_changed(d, now_us))
		return;
	look_for_listener(d, now_us);
	fit = responder_fit(g->responder, now_us, g->passing_why);
	g->passing = !fit;
	if (!fit && now_us - g->said_us > SAY_US) {
		g->said_us = now_us;
		log_warning("the gate lets everything pass for now: %s", g->passing_why);
	}
	gate_pause(g->gate, !fit);
	if (fit && g->standin)
		standin_beat(g->standin, now_us);
	responder_push(g->responder, &d->plan, g->down);
	daemon_rank_gate(d, now_us);
	gate_push(g->gate, &d->plan, l->known & LOAD_WAITING ? (uint32_t)fmax(0, l->waiting) : 0,
		  g->down);
}
