#include "proxy/proxy.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/descriptors.h"
#include "base/log.h"
#include "base/manager.h"
#include "core/reply.h"
#include "proxy/acceptor.h"
#include "proxy/session.h"

#define TICK_MS 100
#define BACKLOG 4096
#define DESCRIPTORS_OWN 64
#define CLOSING_MAX 4096 /* clients that get 421, beside those in dialogue */

struct proxy {
	struct tally tally;
	const struct config_source *source;
	struct listeners listeners;
	struct acceptor *acceptor;
	struct event *tick_event, *signals[3];
	uint64_t ticked_us, sources_us;
	bool ready; /* READY was sent to the service manager */
};

/* Adapts the bounds to the number of descriptors: two for each session, one for each client that is
 * being refused or waits, and a few of our own. If there are too few, four fifths are for sessions,
 * a tenth for clients in dialogue, a twentieth for connections that wait for a place, and the rest
 * for clients that get 421 and are closed. */
static void follow_descriptors(struct proxy *p)
{
	const struct config_front *config = &p->tally.config.proxy;
	uint64_t memory = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
	unsigned held = held_max(memory, config->connections_max);
	uint64_t wanted = 2 * (uint64_t)config->connections_max + config->linger_max + held +
			  CLOSING_MAX + DESCRIPTORS_OWN;
	uint64_t have = descriptors_raise(wanted, true), usable;

	p->tally.connections_max = config->connections_max;
	p->tally.linger_max = config->linger_max;
	p->tally.held_max = held;
	p->tally.closing_max = CLOSING_MAX;
	if (have >= wanted)
		return;
	usable = have > 2 * DESCRIPTORS_OWN ? have - DESCRIPTORS_OWN : have / 2;
	if (p->tally.connections_max > usable * 4 / 10)
		p->tally.connections_max = (unsigned)(usable * 4 / 10);
	if (p->tally.linger_max > usable / 10)
		p->tally.linger_max = (unsigned)(usable / 10);
	if (p->tally.held_max > usable / 20)
		p->tally.held_max = (unsigned)(usable / 20);
	if (p->tally.closing_max > usable / 20)
		p->tally.closing_max = (unsigned)(usable / 20);
	log_warning(
		"Cannot have %llu file descriptors: the limit is %llu. At most %u sessions are served at once instead of front.proxy.connections_max = %u; the other clients are answered 4xx. Raise LimitNOFILE= (systemctl edit penstock-proxy).",
		(unsigned long long)wanted, (unsigned long long)have, p->tally.connections_max,
		config->connections_max);
}

/* Called when a session has ended. */
static void on_place(evutil_socket_t fd, short what, void *context)
{
	session_admit_held(context, clock_monotonic_us());
}

static void finish_if_drained(struct proxy *p)
{
	if (p->tally.draining && !p->tally.session_count)
		event_base_loopexit(p->tally.base, NULL);
}

/* Sends a message to the service manager. Never waits for it: sessions matter more. A message that
 * it did not take is sent a second later. */
static void tell_manager(struct proxy *p, uint64_t in_flight)
{
	char text[160];

	snprintf(text, sizeof(text), "%sWATCHDOG=1\nSTATUS=%u sessions, %llu in flight, %s",
		 p->ready ? "" : "READY=1\n", p->tally.session_count, (unsigned long long)in_flight,
		 p->tally.plan.fresh ? "following the plan" : "no plan: admitting everything");
	if (manager_tell(text, NULL, 0, 0) != -EAGAIN)
		p->ready = true;
}

static void on_tick(evutil_socket_t fd, short what, void *context)
{
	struct proxy *p = context;
	uint64_t now_us = clock_monotonic_us(), oldest = 0;
	struct counts_service *c;
	struct session *next;

	session_mend_counts(&p->tally);
	c = tally_counts(&p->tally);
	planview_get(&p->tally.plan, now_us);
	siblings_look(&p->tally.siblings, p->tally.counts.path, now_us);
	if (now_us - p->sources_us >= US_PER_S / 2) {
		p->sources_us = now_us;
		sourceview_check(&p->tally.sources);
	}
	session_connect_again(&p->tally, now_us);
	session_admit_held(&p->tally, now_us);
	c->oldest_held_since_us = room_oldest_us(&p->tally.room);
	for (struct session *s = p->tally.sessions; s; s = next) {
		next = session_next(s);
		session_tick(s, now_us);
	}
	if (c->ungreeted)
		for (struct session *s = p->tally.sessions; s; s = session_next(s)) {
			uint64_t since = session_waiting_since(s);

			if (since && (!oldest || since < oldest))
				oldest = since;
		}
	if (now_us > p->tally.busy_since_us) {
		c->busy_us += c->busy * (now_us - p->tally.busy_since_us);
		p->tally.busy_since_us = now_us;
	}
	c->oldest_waiting_since_us = oldest;
	p->tally.counts.counts->heartbeat_us = now_us;
	refusals_flush(&p->tally.refusals, p->tally.plan.plan.epoch);
	if (now_us - p->ticked_us >= US_PER_S) {
		p->ticked_us = now_us;
		tell_manager(p, c->in_flight);
	}
	finish_if_drained(p);
}

static void warn_of_hidden_addresses(const struct config *config)
{
	if (config->proxy.proxy_protocol != PROXY_PROTOCOL_NONE)
		return;
	log_warning(
		"The mail server takes every client for this host: front.proxy.proxy_protocol = none. It is an open relay if it relays for an address of this host. Use v1 (Postfix, Exim, Haraka) or v2 (OpenSMTPD).");
}

static bool is_another_backend(const struct config_front *a, const struct config_front *b)
{
	return strcmp(a->backend.text, b->backend.text) != 0 ||
	       a->proxy_protocol != b->proxy_protocol;
}

static void reload(struct proxy *p)
{
	_cleanup_free_ struct config *fresh = calloc(1, sizeof(*fresh));
	_cleanup_free_ struct config_errors *errors = calloc(1, sizeof(*errors));
	char line[640];

	if (!fresh || !errors)
		return;
	if (config_load(p->source, fresh, errors) < 0) {
		config_error_print(&errors->error[0], line, sizeof(line));
		log_error("Cannot reload the configuration: %s. The one in force stays.", line);
		return;
	}
	if (!fresh->proxy.enabled ||
	    strcmp(fresh->proxy.service, p->tally.config.proxy.service) != 0 ||
	    strcmp(fresh->proxy.listen.text, p->tally.config.proxy.listen.text) != 0) {
		log_error(
			"Cannot reload the configuration: listen, service and enabled of [front.proxy] need a restart. The one in force stays. Run systemctl restart penstock-proxy.");
		return;
	}
	config_log_warnings(errors);
	p->tally.backend_changed |= is_another_backend(&p->tally.config.proxy, &fresh->proxy);
	p->tally.config = *fresh;
	tally_configured(&p->tally);
	follow_descriptors(p);
	log_set_level(p->tally.config.log_level);
	warn_of_hidden_addresses(&p->tally.config);
	log_notice("configuration reloaded");
}

static void on_signal(evutil_socket_t number, short what, void *context)
{
	struct proxy *p = context;

	if (number == SIGHUP) {
		reload(p);
		return;
	}
	if (p->tally.draining) { /* the second signal: end at once */
		event_base_loopexit(p->tally.base, NULL);
		return;
	}
	p->tally.draining = true;
	handover_keep(&p->listeners);
	acceptor_stop(p->acceptor);
	manager_tell("STOPPING=1", NULL, 0, 0);
	if (handover_sessions(&p->listeners, &p->tally))
		return;
	log_notice(
		"stopping: no new connections, %u sessions go on to their end; a second signal ends them",
		p->tally.session_count);
	finish_if_drained(p);
}

static int open_events(struct proxy *p)
{
	static const int numbers[] = { SIGHUP, SIGTERM, SIGINT };
	const struct timeval interval = { 0, TICK_MS * 1000 };

	signal(SIGPIPE, SIG_IGN);
	p->tally.base = event_base_new();
	if (!p->tally.base)
		return -ENOMEM;
	p->tick_event = event_new(p->tally.base, -1, EV_PERSIST, on_tick, p);
	p->tally.held_event = event_new(p->tally.base, -1, 0, on_place, &p->tally);
	if (!p->tick_event || !p->tally.held_event)
		return -ENOMEM;
	for (unsigned i = 0; i < ARRAY_SIZE(numbers); i++) {
		p->signals[i] = evsignal_new(p->tally.base, numbers[i], on_signal, p);
		if (!p->signals[i] || event_add(p->signals[i], NULL) < 0)
			return -ENOMEM;
	}
	if (event_add(p->tick_event, &interval) < 0)
		return -ENOMEM;
	return acceptor_open(&p->tally, &p->listeners, &p->acceptor);
}

static void tell_start(int error, char *why)
{
	snprintf(
		why, 256,
		"Cannot start penstock-proxy: %s. No client is served. Give it more memory or descriptors (MemoryMax=, LimitNOFILE=), then start it again.",
		strerror(error));
}

int proxy_open(const struct config *config, const struct config_source *source,
	       struct proxy **ret_proxy, char *why)
{
	struct proxy *p = calloc(1, sizeof(*p));
	const char *which = "";
	int r, one = 1;

	*ret_proxy = p;
	if (!p) {
		tell_start(ENOMEM, why);
		return -ENOMEM;
	}
	p->source = source;
	memset(p->listeners.fds, -1, sizeof(p->listeners.fds));
	r = tally_open(&p->tally, config, clock_monotonic_us());
	if (r < 0) {
		tell_start(-r, why);
		return r;
	}
	follow_descriptors(p);
	r = handover_listen(&p->listeners, &config->proxy.listen, BACKLOG, &which);
	if (r < 0) {
		snprintf(
			why, 256, "Cannot listen on %.80s: %s. No client is served. %s.", which,
			strerror(-r),
			r == -EADDRINUSE
				? "Find the program that listens there ('ss -ltnp'), and stop or move it"
			: r == -EACCES
				? "Give penstock-proxy CAP_NET_BIND_SERVICE or a socket unit: the port is below 1024"
				: "Correct front.proxy.listen");
		return r;
	}
	for (int i = 0; i < p->listeners.count; i++) /* accepted sockets take it over */
		setsockopt(p->listeners.fds[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	r = open_events(p);
	if (r < 0)
		tell_start(-r, why);
	return r;
}

int proxy_run(struct proxy *p)
{
	log_notice("penstock-proxy relays %s to %s", p->tally.config.proxy.listen.text,
		   p->tally.config.proxy.backend.text);
	warn_of_hidden_addresses(&p->tally.config);
	on_tick(-1, 0, p);
	return event_base_dispatch(p->tally.base) < 0 ? -EIO : 0;
}

void proxy_close(struct proxy *p)
{
	if (!p)
		return;
	while (p->tally.sessions)
		session_abort(p->tally.sessions);
	acceptor_close(p->acceptor);
	if (p->tick_event)
		event_free(p->tick_event);
	for (unsigned i = 0; i < ARRAY_SIZE(p->signals); i++)
		if (p->signals[i])
			event_free(p->signals[i]);
	for (int i = 0; i < LISTENERS_MAX; i++)
		if (p->listeners.fds[i] >= 0)
			close(p->listeners.fds[i]);
	tally_close(&p->tally);
	free(p);
}
