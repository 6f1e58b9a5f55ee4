/* The gate as a front: the kernel's part (kernel/gate.h) and the responder (front/responder.h) are
 * opened, fed and read together. The responder first: the gate hands connections to it from the
 * moment that it is attached. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fdstore.h"
#include "base/log.h"
#include "core/message.h"
#include "front/front.h"
#include "front/gate_beside.h"
#include "front/gate_heard.h"
#include "front/gate_kept.h"
#include "front/gate_networks.h"
#include "front/gate_responder.h"
#include "front/gate_watch.h"
#include "kernel/gate.h"
#include "kernel/kernel.h"
#include "kernel/netns.h"
#include "refuse/refusals.h"

#define SAY_US (60 * US_PER_S)
/* after this the service manager is asked again to keep the descriptors */
#define KEEP_US (10 * US_PER_S)

struct gate_front {
	const struct front_env *env;
	struct counts *counts;
	struct gate *gate;
	struct responder *responder;
	struct standin *standin;
	unsigned service;
	bool kept; /* the service manager holds the gate's descriptors */
	struct gate_watch watch;
	uint64_t said_us, keep_us;
	bool passing_said;
	uint64_t epoch, order_until_us; /* of the plan */
	bool passing; /* no responder is available: all connections pass */
	char passing_why[160];
	uint64_t responder_errors; /* the responder's errors that are in counts already */
	struct refusals refusals;
	struct gate_heard heard;
	enum gate_beside beside;
	struct gate_beside_proxy proxy;
};

/* ---- life ----------------------------------------------------------------------------------- */

static int open_kernel(struct gate_front *g, char *why)
{
	const struct config_service *service = &g->env->config->service[g->service];
	struct gate_options o = { .service = g->service,
				  .netns_fd = g->watch.netns_fd,
				  .listener_v4 = responder_listener_v4(g->responder),
				  .listener_v6 = responder_listener_v6(g->responder),
				  .beside = g->beside != GATE_BESIDE_NONE,
				  .loopback = g->env->config->gate.loopback };
	struct gate *gate = NULL;
	int r;

	if (g->beside == GATE_BESIDE_PROXY)
		gate_beside_ports(&g->env->config->proxy.listen, o.ports);
	for (unsigned i = 0; g->beside != GATE_BESIDE_PROXY && i < CONFIG_PORTS && i < GATE_PORTS;
	     i++)
		o.ports[i] = service->ports[i];
	gate_kept_take(&o);
	if (g->env->kernel)
		kernel_smtp_live(g->env->kernel, g->service, &o.live);
	r = gate_open(&o, &gate, why);
	if (r < 0)
		return r;
	__atomic_store_n(&g->gate, gate, __ATOMIC_RELEASE);
	gate_networks_push(g->gate, g->env->config);
	gate_resets(gate, g->env->config->gate.repeat == REPEAT_RESET);
	return 0;
}

/* Whether the service manager keeps the gate, at last. It may have been too slow to read when the
 * gate was opened, and nothing waits for a penstockd that stops. */
static bool kept_at_last(struct gate_front *g)
{
	for (unsigned tries = 0; g->gate && !g->kept && tries < FDSTORE_LAST_TRIES; tries++)
		g->kept = gate_kept_store(g->gate);
	return g->kept;
}

static void gate_front_close(void *front, enum front_close how)
{
	struct gate_front *g = front;
	struct gate *gate = g->gate;
	bool stay = how == FRONT_RESTART, keep = stay && kept_at_last(g);

	/* The responder may be asking the gate, so it ends first. After that no client is sent to
	 * it. */
	if (gate && stay)
		gate_listeners(gate, -1, -1);
	else if (gate)
		gate_pause(gate, true);
	standin_close(g->standin);
	responder_close(g->responder);
	refusals_flush(&g->refusals, UINT64_MAX);
	__atomic_store_n(&g->gate, NULL, __ATOMIC_RELEASE);
	gate_close(gate, keep);
	if (gate && !keep) /* also if the manager keeps only some of them */
		gate_kept_remove();
	if (g->watch.netns_fd >= 0)
		close(g->watch.netns_fd);
	free(g);
}

static bool gate_front_wanted(const struct front_ops *ops, const struct config *config)
{
	return config->gate.enabled;
}

static int open_parts(struct gate_front *g, char *why)
{
	const struct config_gate *c = &g->env->config->gate;
	int r, service = config_service_index(g->env->config, c->service);

	if (service < 0)
		return -ENOENT;
	g->service = (unsigned)service;
	g->beside = gate_beside_of(g->env->config);
	g->watch.netns_fd = r = netns_open(c->netns, why);
	if (r < 0)
		return r;
	g->watch.netns = netns_inum(g->watch.netns_fd);
	r = gate_responder_open(g->env->config, g->service, g->watch.netns_fd, &g->gate,
				&g->responder, why);
	if (r == 0)
		gate_responder_standin(&g->env->config->service[g->service], g->responder,
				       &g->standin);
	if (r == 0)
		r = open_kernel(g, why);
	return r;
}

static void keep(struct gate_front *g, uint64_t now_us)
{
	if (g->kept || (g->keep_us && now_us - g->keep_us < KEEP_US))
		return;
	g->keep_us = now_us;
	g->kept = gate_kept_store(g->gate);
}

static int gate_front_open(const struct front_ops *ops, const struct front_env *env,
			   struct counts *counts, void **ret_front, char *why)
{
	static const char *const does[] = {
		[GATE_BESIDE_NONE] = "guards",
		[GATE_BESIDE_POLICY] =
			"resets clients that the policy service has refused before, for",
		[GATE_BESIDE_PROXY] = "resets clients that penstock-proxy has refused before, for",
	};
	struct gate_front *g = calloc(1, sizeof(*g));
	struct gate_view view;
	int r;

	if (!g)
		return -ENOMEM;
	g->env = env;
	g->counts = counts;
	g->watch.netns_fd = -1;
	r = open_parts(g, why);
	if (r < 0) {
		gate_front_close(g, FRONT_STOP);
		return r;
	}
	keep(g, clock_monotonic_us());
	gate_view(g->gate, &view);
	log_notice("the gate %s service %s (%s)%s", does[g->beside], env->config->gate.service,
		   view.form, view.taken_over ? ", taken over from the penstockd before" : "");
	*ret_front = g;
	return 0;
}

/* Whether a setting changed that cannot change while the gate is open. */
static bool differs(const struct config *a, const struct config *b)
{
	int s = config_service_index(a, a->gate.service),
	    t = config_service_index(b, b->gate.service);

	return a->gate.enabled != b->gate.enabled || s != t ||
	       gate_beside_of(a) != gate_beside_of(b) ||
	       (gate_beside_of(a) == GATE_BESIDE_PROXY &&
		strcmp(a->proxy.listen.text, b->proxy.listen.text) != 0) ||
	       strcmp(a->gate.netns, b->gate.netns) != 0 || a->gate.loopback != b->gate.loopback ||
	       strcmp(a->gate.listen.text, b->gate.listen.text) != 0 ||
	       (s >= 0 && t >= 0 &&
		memcmp(a->service[s].ports, b->service[t].ports, sizeof(a->service[s].ports)) != 0);
}

static bool gate_front_reconfigure(void *front, const struct config *before)
{
	struct gate_front *g = front;
	struct responder_manner manner;

	if (differs(before, g->env->config))
		return false;
	gate_responder_manner(g->env->config, g->service, &manner);
	responder_set_manner(g->responder, &manner);
	gate_networks_push(g->gate, g->env->config);
	gate_resets(g->gate, g->env->config->gate.repeat == REPEAT_RESET);
	return true;
}

/* ---- the tick ------------------------------------------------------------------------------- */

/* One line in the mail log for each deferred source and epoch: these clients are in no other
 * log. */
static void note_refusal(struct gate_front *g, const struct gate_event *event)
{
	const struct config_service *service = &g->env->config->service[g->service];

	if (event->finished || event->verdict.admit)
		return;
	g->refusals.by = (struct refusals_by){
		.front = "gate",
		.service = service->name,
		.style = service->implicit_tls ? NULL : &service->reply,
		.code = service->reply_code,
	};
	refusals_add(&g->refusals, g->epoch, &event->client, (enum reason)event->verdict.reason,
		     g->order_until_us);
}

static void tell(struct gate_front *g, const struct source_event *event, uint64_t now_us)
{
	g->env->desk->seen(g->env->context, event, 1, now_us);
}

static void take_event(struct gate_front *g, const struct gate_event *event, uint64_t now_us)
{
	struct source_event e = { .kind = SOURCE_FINISHED,
				  .service = (uint8_t)g->service,
				  .turns = event->turns,
				  .server_us = (uint32_t)(event->server_us < UINT32_MAX
								  ? event->server_us
								  : UINT32_MAX) };

	if (event->finished) {
		memcpy(e.address, &event->client, sizeof(e.address));
		/* The length of a session says little about its cost: only the server's share of
		 * the time is charged. */
		if (event->server_us)
			tell(g, &e, now_us);
		return;
	}
	e = source_attempt(event->client.s6_addr, g->service, event->verdict);
	tell(g, &e, now_us);
	gate_heard_add(&g->heard, &event->client);
}

static void on_event(void *context, const struct gate_event *event)
{
	struct gate_front *g = context;
	const struct kernel *kernel = g->env->kernel;
	struct gate_event e = *event;

	if (e.finished && kernel &&
	    kernel_smtp_work(kernel, &e.client, e.client_port, e.port, &e.server_us, &e.turns) == 0)
		g->counts->service[g->service].server_us += e.server_us;
	note_refusal(g, &e);
	take_event(g, &e, e.at_us);
}

static void count_responder(struct gate_front *g)
{
	struct counts_service *c = &g->counts->service[g->service];
	struct responder_view view;

	responder_view(g->responder, &view);
	c->refused_lingering = view.lingering;
	c->refused_told = view.told;
	g->counts->errors += view.errors - g->responder_errors;
	g->responder_errors = view.errors;
}

static void gate_front_poll(void *front, uint64_t now_us, struct load *load)
{
	struct gate_front *g = front;
	struct counts_service *counts = &g->counts->service[g->service];
	const struct counts_service *c = counts;
	struct load_service *l = &load->service[g->service];

	gate_poll(g->gate, now_us, g->counts, on_event, g);
	refusals_flush(&g->refusals, g->epoch);
	count_responder(g);
	l->known |= LOAD_OFFERED;
	l->offered += c->offered;
	l->admitted += c->admitted;
	l->deferred += c->deferred;
	l->would_defer += c->would_defer;
	if (g->beside != GATE_BESIDE_NONE) {
		/* The probe counts them, without the clients that the mail server itself
		 * refuses. */
		counts->in_flight = counts->shadow_in_flight = 0;
		return;
	}
	l->in_flight += (double)c->in_flight;
	l->shadow_in_flight += (double)c->shadow_in_flight;
	l->known |= LOAD_IN_FLIGHT;
}

static void push_other(struct gate_front *g, const struct plan_service *service,
		       const struct load_service *l, uint64_t now_us)
{
	struct gate_other other;

	if (g->beside == GATE_BESIDE_PROXY)
		other = gate_beside_load(&g->proxy, g->env->config, service, l, now_us);
	else
		other = (struct gate_other){
			.in_flight = (uint32_t)fmin(fmax(0, l->in_flight), 4e9),
			.tokens_milli = g->env->desk->tokens(g->env->context, g->service, now_us)
		};
	gate_beside(g->gate, &other, now_us);
}

static bool gate_front_push(void *front, const struct plan *plan, const struct load *load,
			    uint64_t now_us)
{
	struct gate_front *g = front;
	const struct load_service *l = &load->service[g->service];
	bool fit;

	if (gate_watch_netns(&g->watch, g->env->config, now_us))
		return false;
	g->epoch = plan->epoch;
	g->order_until_us = plan->order_until_us;
	gate_watch_listener(&g->watch, g->env->config, g->service, now_us);
	keep(g, now_us);
	fit = responder_fit(g->responder, now_us, g->passing_why);
	g->passing = !fit;
	if (!fit && now_us - g->said_us > SAY_US) {
		g->said_us = now_us;
		g->passing_said = true;
		log_event(LOG_LEVEL_WARNING, MESSAGE_FRONT, "PENSTOCK_FRONT=gate",
			  "The gate admits every connection for now: %s.", g->passing_why);
	}
	if (fit && g->passing_said) {
		g->passing_said = false;
		log_event(LOG_LEVEL_NOTICE, MESSAGE_FRONT, "PENSTOCK_FRONT=gate",
			  "The gate decides again.");
	}
	gate_pause(g->gate, !fit);
	if (fit && g->standin)
		standin_beat(g->standin, now_us);
	responder_push(g->responder, plan, g->watch.down);
	gate_heard_push(&g->heard, g->env, g->gate, now_us);
	if (g->beside != GATE_BESIDE_NONE)
		push_other(g, &plan->service[plan_slot(g->service)], l, now_us);
	gate_push(g->gate, plan, l->known & LOAD_UNGREETED ? (uint32_t)fmax(0, l->ungreeted) : 0,
		  g->watch.down);
	return true;
}

static void gate_front_refused(void *front, const struct front_client *client)
{
	struct gate_front *g = front;

	if (g->beside == GATE_BESIDE_NONE || client->service != g->service ||
	    g->env->config->gate.repeat != REPEAT_RESET)
		return;
	gate_heard_add(&g->heard, &client->address);
	if (g->beside == GATE_BESIDE_POLICY)
		gate_refused_elsewhere(g->gate, &client->address, g->epoch);
}

static void gate_front_state(const void *front, struct front_state *ret)
{
	const struct gate_front *g = front;

	ret->up = !g->passing;
	if (g->passing)
		snprintf(ret->why, sizeof(ret->why), "%s", g->passing_why);
	ret->netns_known = g->env->config->gate.netns[0] != 0;
	ret->netns = g->watch.netns;
}

const struct front_ops front_gate = {
	.name = "gate",
	.title = "the gate",
	.wanted = gate_front_wanted,
	.open = gate_front_open,
	.reconfigure = gate_front_reconfigure,
	.poll = gate_front_poll,
	.push = gate_front_push,
	.state = gate_front_state,
	.refused = gate_front_refused,
	.close = gate_front_close,
	.forget = gate_kept_forget,
};
