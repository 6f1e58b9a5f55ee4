/* The gate as a front: the kernel's part (kernel/gate.h) and the responder (front/responder.h) are
 * opened, fed and read together. The responder first: the gate hands connections to it from the
 * moment that it is attached. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fdstore.h"
#include "base/log.h"
#include "core/reply.h"
#include "front/desk.h"
#include "front/front.h"
#include "front/responder.h"
#include "front/standin.h"
#include "kernel/gate.h"
#include "kernel/kernel.h"
#include "kernel/netns.h"
#include "kernel/sockdiag.h"
#include "refuse/refusals.h"

#define SAY_US (60 * US_PER_S)
#define RANKS 128u /* told to the kernel a tick, out of so many places looked at */
#define PLACES 2048u
#define FRESH 512u /* and of those heard of since the last one */
#define HEARD_BITS 14
#define HEARD (1u << HEARD_BITS)

/* Another front decides for this service; the gate resets whom that one refused. */
enum beside { BESIDE_NOBODY, BESIDE_POLICY, BESIDE_PROXY };

struct gate_front {
	const struct front_env *env;
	struct counts *counts;
	struct gate *gate;
	struct responder *responder;
	struct standin *standin;
	unsigned service;
	int netns_fd; /* of the MTA */
	uint32_t netns; /* its inode */
	bool kept; /* the service manager holds the gate's descriptors */
	bool down; /* nothing listens on the port, and the responder is to say so */
	uint64_t looked_us, said_us, netns_looked_us;
	uint64_t epoch, order_until_us; /* of the plan */
	bool passing; /* the responder is not available: everything passes */
	char passing_why[160];
	uint64_t responder_errors; /* that are in counts */
	struct refusals refusals;
	struct in6_addr heard[HEARD]; /* clients met lately, one a slot of their groups' hashes */
	unsigned next_heard;
	struct in6_addr fresh[FRESH];
	unsigned fresh_count;
	bool told_ranks;
	enum beside beside;
	struct plan_bucket bucket; /* the proxy's, by what it has admitted */
	uint64_t admitted; /* so far */
};

static const char *const kept_names[] = { "gate-lookup",    "gate-state",	"gate-destroy",
					  "gate-map-state", "gate-map-tickets", "gate-map-sessions",
					  "gate-map-held" };

/* ---- life ----------------------------------------------------------------------------------- */

/* By the responder's thread. */
static enum reason reason_of(void *context, const struct in6_addr *client, uint16_t client_port,
			     uint16_t port)
{
	struct gate_front *g = context;
	struct gate *gate = __atomic_load_n(&g->gate, __ATOMIC_ACQUIRE);

	return gate ? gate_reason(gate, client, client_port, port) : REASON_NONE;
}

static void manner_from(const struct gate_front *g, struct responder_manner *manner)
{
	const struct config *config = g->env->config;
	const struct config_gate *c = &config->gate;
	const struct config_service *service = &config->service[g->service];

	memset(manner, 0, sizeof(*manner));
	manner->style = service->reply;
	manner->service = g->service;
	manner->reply_code = service->reply_code;
	manner->sources = config->sources.refused.count || config->sources.rate_max;
	manner->mute = service->tls == TLS_IMPLICIT;
	manner->linger_max = c->linger_max;
	manner->linger_us = c->linger_us;
	manner->cpu_ratio = c->cpu_ratio;
}

static int open_responder(struct gate_front *g, char *why)
{
	struct responder_options o = { .listen = g->env->config->gate.listen,
				       .listen_option = "front.gate.listen",
				       /* Entering even our own takes a capability. */
				       .netns_fd = netns_is_own(g->netns_fd) ? -1 : g->netns_fd,
				       .mark = GATE_MARK,
				       .reason = reason_of,
				       .context = g };

	manner_from(g, &o.manner);
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

static void push_networks(struct gate_front *g)
{
	int r = push_list(g->gate, &g->env->config->sources.trusted, gate_trusted);

	if (r < 0)
		log_error(
			"Cannot tell the gate every network of source.trusted: %s. Clients of the others are decided by load.",
			strerror(-r));
	r = push_list(g->gate, &g->env->config->sources.refused, gate_refused);
	if (r < 0)
		log_error(
			"Cannot tell the gate every network of source.refused: %s. Clients of the others are decided by load.",
			strerror(-r));
}

/* Without it the gate works too: only who comes while penstockd hangs waits for longer. */
static void open_standin(struct gate_front *g)
{
	const struct config_service *service = &g->env->config->service[g->service];
	struct standin_options o = { .listener_v4 = responder_listener_v4(g->responder),
				     .listener_v6 = responder_listener_v6(g->responder) };
	int r;

	if (service->tls != TLS_IMPLICIT)
		reply_line(o.greeting, sizeof(o.greeting), 421, &service->reply, REASON_SMTP, 0);
	r = standin_open(&o, &g->standin);
	if (r < 0)
		log_warning(
			"Cannot start the stand-in for the gate's responder: %s. Clients that come while penstockd hangs wait longer.",
			strerror(-r));
}

/* Where clients connect to the proxy; the service's own ports are behind it. */
static void proxy_ports(const struct endpoints *listen, uint16_t *ret)
{
	unsigned n = 0;

	for (unsigned i = 0; i < listen->count && n < GATE_PORTS; i++)
		if (listen->each[i].kind == ENDPOINT_INET)
			ret[n++] = endpoint_port(&listen->each[i]);
}

static int open_kernel(struct gate_front *g, char *why)
{
	const struct config_service *service = &g->env->config->service[g->service];
	struct gate_options o = { .service = g->service,
				  .netns_fd = g->netns_fd,
				  .listener_v4 = responder_listener_v4(g->responder),
				  .listener_v6 = responder_listener_v6(g->responder),
				  .loopback = g->env->config->gate.loopback };
	struct gate *gate = NULL;
	int r;

	if (g->beside == BESIDE_PROXY)
		proxy_ports(&g->env->config->proxy.listen, o.ports);
	for (unsigned i = 0; g->beside != BESIDE_PROXY && i < CONFIG_PORTS && i < GATE_PORTS; i++)
		o.ports[i] = service->ports[i];
	for (unsigned i = 0; i < ARRAY_SIZE(kept_names); i++) {
		int fd = fdstore_take(kept_names[i]);

		if (fd < 0)
			continue;
		o.kept[o.kept_count].name = kept_names[i];
		o.kept[o.kept_count++].fd = fd;
	}
	if (g->env->kernel)
		kernel_smtp_live(g->env->kernel, g->service, &o.live);
	r = gate_open(&o, &gate, why);
	if (r < 0)
		return r;
	__atomic_store_n(&g->gate, gate, __ATOMIC_RELEASE);
	push_networks(g);
	gate_resets(gate, g->env->config->gate.repeat == REPEAT_RESET);
	return 0;
}

/* So that verdicts go on while penstockd is restarted. */
static void keep(struct gate_front *g)
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

static void gate_front_forget(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(kept_names); i++) {
		int fd = fdstore_take(kept_names[i]);

		if (fd < 0)
			continue;
		close(fd);
		fdstore_remove(kept_names[i]);
	}
}

static void gate_front_close(void *front, enum front_close how)
{
	struct gate_front *g = front;
	struct gate *gate = g->gate;
	bool stay = how == FRONT_RESTART;

	/* The responder may be asking: it ends first, and nobody is handed to it any more. */
	if (gate && stay)
		gate_listeners(gate, -1, -1);
	else if (gate)
		gate_pause(gate, true);
	standin_close(g->standin);
	responder_close(g->responder);
	refusals_flush(&g->refusals, UINT64_MAX);
	__atomic_store_n(&g->gate, NULL, __ATOMIC_RELEASE);
	gate_close(gate, stay && g->kept);
	if (gate && g->kept && !stay)
		for (unsigned i = 0; i < ARRAY_SIZE(kept_names); i++)
			fdstore_remove(kept_names[i]);
	if (g->netns_fd >= 0)
		close(g->netns_fd);
	free(g);
}

static bool gate_front_wanted(const struct config *config)
{
	return config->gate.enabled;
}

/* The policy service or the proxy of the same service: config/cross_check.c lets both be, if the
 * gate is to reset. */
static enum beside decides_elsewhere(const struct config *config)
{
	const char *service = config->gate.service;

	if (config->policy.enabled && strcmp(config->policy.service, service) == 0)
		return BESIDE_POLICY;
	if (config->proxy.enabled && strcmp(config->proxy.service, service) == 0)
		return BESIDE_PROXY;
	return BESIDE_NOBODY;
}

static int open_parts(struct gate_front *g, char *why)
{
	const struct config_gate *c = &g->env->config->gate;
	int r, service = config_service_index(g->env->config, c->service);

	if (service < 0)
		return -ENOENT;
	g->service = (unsigned)service;
	g->beside = decides_elsewhere(g->env->config);
	g->netns_fd = r = netns_open(c->netns, why);
	if (r < 0)
		return r;
	g->netns = netns_inum(g->netns_fd);
	r = open_responder(g, why);
	if (r == 0)
		open_standin(g);
	if (r == 0)
		r = open_kernel(g, why);
	return r;
}

static int gate_front_open(const struct front_env *env, struct counts *counts, void **ret_front,
			   char *why)
{
	static const char *const does[] = {
		[BESIDE_NOBODY] = "guards",
		[BESIDE_POLICY] = "resets whom the policy service has refused before, for",
		[BESIDE_PROXY] = "resets whom penstock-proxy has refused before, for",
	};
	struct gate_front *g = calloc(1, sizeof(*g));
	struct gate_view view;
	int r;

	if (!g)
		return -ENOMEM;
	g->env = env;
	g->counts = counts;
	g->netns_fd = -1;
	r = open_parts(g, why);
	if (r < 0) {
		gate_front_close(g, FRONT_STOP);
		return r;
	}
	keep(g);
	gate_view(g->gate, &view);
	log_notice("the gate %s service %s (%s)%s", does[g->beside], env->config->gate.service,
		   view.form, view.taken_over ? ", taken over from the penstockd before" : "");
	*ret_front = g;
	return 0;
}

/* What cannot change under an open gate. */
static bool differs(const struct config *a, const struct config *b)
{
	int s = config_service_index(a, a->gate.service),
	    t = config_service_index(b, b->gate.service);

	return a->gate.enabled != b->gate.enabled || s != t ||
	       decides_elsewhere(a) != decides_elsewhere(b) ||
	       (decides_elsewhere(a) == BESIDE_PROXY &&
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
	manner_from(g, &manner);
	responder_set_manner(g->responder, &manner);
	push_networks(g);
	gate_resets(g->gate, g->env->config->gate.repeat == REPEAT_RESET);
	return true;
}

/* ---- the tick ------------------------------------------------------------------------------- */

/* One line in the mail log for each source that was turned away, and epoch: they are in no
 * other. */
static void note_refusal(struct gate_front *g, const struct gate_event *event)
{
	const struct config_service *service = &g->env->config->service[g->service];

	if (event->finished || event->verdict.admit)
		return;
	g->refusals.by = (struct refusals_by){
		.front = "gate",
		.service = service->name,
		.style = service->tls == TLS_IMPLICIT ? NULL : &service->reply,
		.code = service->reply_code,
	};
	refusals_add(&g->refusals, g->epoch, &event->client, (enum reason)event->verdict.reason,
		     g->order_until_us);
}

static void tell(struct gate_front *g, const struct source_event *event, uint64_t now_us)
{
	g->env->desk->seen(g->env->context, event, 1, now_us);
}

/* Ranks change with time alone, so each client heard of lately is told to the kernel again and
 * again, a new one at once. */
static void hear(struct gate_front *g, const struct in6_addr *client)
{
	uint64_t group = plan_group(client->s6_addr);
	struct in6_addr *slot =
		&g->heard[(group * UINT64_C(0x9e3779b97f4a7c15)) >> (64 - HEARD_BITS)];

	if (memcmp(slot, client, sizeof(*slot)) == 0)
		return;
	*slot = *client;
	if (g->fresh_count < FRESH)
		g->fresh[g->fresh_count++] = *client;
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
		/* How long a session was says little about what it cost: only the server's part is
		 * charged. */
		if (event->server_us)
			tell(g, &e, now_us);
		return;
	}
	e = desk_event(&event->client, g->service, event->verdict);
	tell(g, &e, now_us);
	hear(g, &event->client);
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
	if (g->beside != BESIDE_NOBODY) {
		/* The probe knows them, without those whom the mail server refuses. */
		counts->in_flight = counts->shadow_in_flight = 0;
		return;
	}
	l->in_flight += (double)c->in_flight;
	l->shadow_in_flight += (double)c->shadow_in_flight;
	l->known |= LOAD_IN_FLIGHT;
}

/* Whether somebody listens where the clients go; looked at once a second. */
static void look_for_listener(struct gate_front *g, uint64_t now_us)
{
	const struct config *config = g->env->config;
	struct sockdiag_listener listener;
	int fd;

	if (!config->gate.answer_down) {
		g->down = false;
		return;
	}
	if (now_us - g->looked_us < US_PER_S)
		return;
	g->looked_us = now_us;
	fd = sockdiag_open_in(g->netns_fd);
	if (fd < 0)
		return;
	g->down = sockdiag_listeners(fd, config->service[g->service].ports, CONFIG_PORTS, &listener,
				     1) == 0;
	close(fd);
}

/* Containers come and go under one name; the gate stays in the namespace in which it was opened,
 * where nobody listens any more. It is closed then, and opened again at the next tick and every few
 * seconds until the name leads somewhere. */
static bool netns_changed(struct gate_front *g, uint64_t now_us)
{
	const char *name = g->env->config->gate.netns;
	char why[256] = "";
	uint32_t inum = 0;
	int fd;

	if (!name[0] || now_us - g->netns_looked_us < US_PER_S)
		return false;
	g->netns_looked_us = now_us;
	fd = netns_open(name, why);
	/* An error other than that it is gone proves nothing. */
	if (fd < 0 && fd != -ENOENT && fd != -ESRCH)
		return false;
	if (fd >= 0) {
		inum = netns_inum(fd);
		close(fd);
	}
	if (inum == g->netns)
		return false;
	log_notice("the network namespace '%s' is %s: the gate leaves it", name,
		   fd < 0 ? "gone" : "another one now");
	g->netns = inum;
	return true;
}

/* Tells the gate the ranks of those it has met, some each tick. */
static void push_ranks(struct gate_front *g, uint64_t now_us)
{
	static const struct in6_addr nobody = IN6ADDR_ANY_INIT;
	const struct front_env *env = g->env;
	uint64_t groups[FRESH + RANKS];
	struct plan_source ranks[FRESH + RANKS], absent;
	unsigned count = 0, most = g->fresh_count + RANKS;

	if (!env->desk->rank(env->context, &nobody, now_us, &absent))
		return;
	while (g->fresh_count) {
		const struct in6_addr *a = &g->fresh[--g->fresh_count];

		groups[count] = plan_group(a->s6_addr);
		env->desk->rank(env->context, a, now_us, &ranks[count++]);
	}
	for (unsigned n = 0; n < PLACES && count < most; n++) {
		const struct in6_addr *a = &g->heard[g->next_heard++ & (HEARD - 1)];

		if (IN6_IS_ADDR_UNSPECIFIED(a))
			continue;
		groups[count] = plan_group(a->s6_addr);
		env->desk->rank(env->context, a, now_us, &ranks[count++]);
	}
	if (gate_ranks(g->gate, groups, ranks, count, &absent) < 0 && !g->told_ranks) {
		g->told_ranks = true;
		log_warning(
			"Cannot give the gate the ranks of all sources. The oldest ranks stay in force there.");
	}
}

/* How many more the proxy would let wait, by the wait that they would have to expect. */
static uint32_t room_of(const struct gate_front *g, const struct plan_service *service,
			const struct load_service *l)
{
	uint64_t hold_us = service->hold_us < g->env->config->wait_us ? service->hold_us
								      : g->env->config->wait_us;
	double most = (double)service->pass_milli * (double)hold_us / 1e9;

	return (uint32_t)fmin(fmax(0, most - l->held), 1e6);
}

/* The proxy keeps its bucket for itself: this one loses what the fronts have admitted. */
static uint32_t tokens_of_proxy(struct gate_front *g, const struct plan_service *service,
				const struct load_service *l, uint64_t now_us)
{
	uint32_t tokens = plan_bucket_refill(&g->bucket, service, now_us);

	if (l->admitted > g->admitted && g->admitted)
		g->bucket.tokens_nano -= (int64_t)(l->admitted - g->admitted) * PLAN_TOKEN_NANO;
	g->admitted = l->admitted;
	return tokens == PLAN_UNLIMITED ? tokens : plan_bucket_milli(g->bucket.tokens_nano);
}

static void push_other(struct gate_front *g, const struct plan *plan, const struct load_service *l,
		       uint64_t now_us)
{
	const struct plan_service *service = &plan->service[plan_slot(g->service)];
	struct gate_other other = { .in_flight = (uint32_t)fmin(fmax(0, l->in_flight), 4e9) };

	if (g->beside == BESIDE_PROXY) {
		other.tokens_milli = tokens_of_proxy(g, service, l, now_us);
		other.room = room_of(g, service, l);
	} else {
		other.tokens_milli = g->env->desk->tokens(g->env->context, g->service, now_us);
	}
	gate_beside(g->gate, &other, now_us);
}

static bool gate_front_push(void *front, const struct plan *plan, const struct load *load,
			    uint64_t now_us)
{
	struct gate_front *g = front;
	const struct load_service *l = &load->service[g->service];
	bool fit;

	if (netns_changed(g, now_us))
		return false;
	g->epoch = plan->epoch;
	g->order_until_us = plan->order_until_us;
	look_for_listener(g, now_us);
	fit = responder_fit(g->responder, now_us, g->passing_why);
	g->passing = !fit;
	if (!fit && now_us - g->said_us > SAY_US) {
		g->said_us = now_us;
		log_warning("The gate admits every connection for now: %s.", g->passing_why);
	}
	gate_pause(g->gate, !fit);
	if (fit && g->standin)
		standin_beat(g->standin, now_us);
	responder_push(g->responder, plan, g->down);
	push_ranks(g, now_us);
	if (g->beside != BESIDE_NOBODY)
		push_other(g, plan, l, now_us);
	gate_push(g->gate, plan, l->known & LOAD_WAITING ? (uint32_t)fmax(0, l->waiting) : 0,
		  g->down);
	return true;
}

static void gate_front_refused(void *front, const struct front_client *client)
{
	struct gate_front *g = front;

	if (g->beside == BESIDE_NOBODY || client->service != g->service ||
	    g->env->config->gate.repeat != REPEAT_RESET)
		return;
	hear(g, &client->address);
	if (g->beside == BESIDE_POLICY)
		gate_refused_elsewhere(g->gate, &client->address, g->epoch);
}

static void gate_front_state(const void *front, struct front_state *ret)
{
	const struct gate_front *g = front;

	ret->up = !g->passing;
	if (g->passing)
		snprintf(ret->why, sizeof(ret->why), "%s", g->passing_why);
	ret->netns_known = g->env->config->gate.netns[0] != 0;
	ret->netns = g->netns;
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
	.forget = gate_front_forget,
};
