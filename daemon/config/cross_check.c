/* Checks options against each other: those that need each other, and those that contradict each
 * other. */
#include "config/cross_check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "config/guards.h"
#include "config/options.h"
#include "config/zone_file.h"

static void check_front(const struct config *config, const char *name, const char *service,
			const struct endpoints *listen, struct config_errors *errors)
{
	const struct option_row *row;
	char key[96];

	snprintf(key, sizeof(key), "front.%s.service", name);
	if (config_service_index(config, service) < 0)
		config_errors_add(errors, CONFIG_WHOLE, 0, key, "there is no service '%s'",
				  service);
	if (listen->count)
		return;
	snprintf(key, sizeof(key), "front.%s", name);
	row = option_find(key, "listen");
	snprintf(key, sizeof(key), "front.%s.listen", name);
	config_errors_add(errors, CONFIG_WHOLE, 0, key,
			  "is missing: an enabled front needs an address to listen on. %s",
			  strstr(row->help, "Example: "));
}

static void check_proxy(const struct config *config, struct config_errors *errors)
{
	const struct config_front *proxy = &config->proxy;

	if (!proxy->enabled)
		return;
	check_front(config, "proxy", proxy->service, &proxy->listen, errors);
	if (proxy->backend.kind != ENDPOINT_INET && proxy->backend.kind != ENDPOINT_UNIX)
		config_errors_add(errors, CONFIG_WHOLE, 0, "front.proxy.backend",
				  "is missing: say where the MTA listens");
	for (unsigned i = 0; i < proxy->listen.count; i++)
		if (endpoint_leads_to(&proxy->backend, &proxy->listen.each[i]))
			config_errors_add(errors, CONFIG_WHOLE, 0, "front.proxy.backend",
					  "is the proxy's own listen address");
}

static void check_asked(const struct config *config, struct config_errors *errors)
{
#define X(kind, name) { #name, &config->name },
	const struct {
		const char *name;
		const struct config_asked *front;
	} table[] = { ASKED_FRONT_TABLE(X) };
#undef X
	char why[240];

	for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
		if (!table[i].front->enabled)
			continue;
		check_front(config, table[i].name, table[i].front->service, &table[i].front->listen,
			    errors);
		snprintf(
			why, sizeof(why),
			"does not hold for front.%s: a server that asks does not say when a session ends. Only the gate and penstock-proxy count sessions. Set source.rate_max, or the mail server's own limit",
			table[i].name);
		if (config->sources.sessions_max)
			config_errors_warn(errors, CONFIG_WHOLE, 0, "source.sessions_max", why);
	}
}

/* The server relays for clients with certain addresses, so it matters which address it sees. */
static void check_addresses(const struct config *config, struct config_errors *errors)
{
	const struct config_front *proxy = &config->proxy;

	if (!proxy->enabled)
		return;
	if (proxy->proxy_protocol == PROXY_PROTOCOL_UNSAID)
		config_errors_add(
			errors, CONFIG_WHOLE, 0, "front.proxy.proxy_protocol",
			"is missing. Without a PROXY header the mail server takes every client for this host, and may relay mail for all of them. Write v1 for Postfix, Exim or Haraka, v2 for OpenSMTPD, and let the mail server expect it (see penstock-proxy(8))");
	if (proxy->accept_proxy_protocol && !proxy->proxy_from.count)
		config_errors_add(
			errors, CONFIG_WHOLE, 0, "front.proxy.proxy_from",
			"is missing: accept_proxy_protocol = yes would believe any client that claims to be another one. Name the networks of the load balancers");
	/* A UNIX socket's peer has no address, and counts as ::. */
	for (unsigned i = 0; proxy->accept_proxy_protocol && i < proxy->listen.count; i++)
		if (proxy->listen.each[i].kind == ENDPOINT_UNIX &&
		    !config_sends_headers(config, &in6addr_any))
			config_errors_warn(
				errors, CONFIG_WHOLE, 0, "front.proxy.proxy_from",
				"names no peer of the UNIX socket in listen, so every connection there is closed: such a peer has no address. Add ::/128 if each user of this host may name any client");
	if (proxy->proxy_protocol == PROXY_PROTOCOL_NONE && !proxy->client_addresses_hidden)
		config_errors_add(
			errors, CONFIG_WHOLE, 0, "front.proxy.proxy_protocol",
			"none makes the mail server take every client for this host, and it may relay mail for all of them. Write v1 (Postfix, Exim, Haraka) or v2 (OpenSMTPD). If the server trusts no address of this host: client_addresses_hidden = yes");
}

static void check_gate(const struct config *config, struct config_errors *errors)
{
	const struct config_gate *gate = &config->gate;

	if (!gate->enabled)
		return;
	if (config_service_index(config, gate->service) < 0)
		config_errors_add(errors, CONFIG_WHOLE, 0, "front.gate.service",
				  "there is no service '%s'", gate->service);
	for (unsigned i = 0; i < gate->listen.count; i++)
		if (gate->listen.each[i].kind == ENDPOINT_UNIX)
			config_errors_add(errors, CONFIG_WHOLE, 0, "front.gate.listen",
					  "a UNIX socket has no SMTP clients: write ADDRESS:PORT");
	if (!config->bpf)
		config_errors_add(errors, CONFIG_WHOLE, 0, "front.gate.enabled",
				  "the gate is BPF, and daemon.bpf is no: use front.proxy instead");
}

/* If the gate stands beside the proxy of the same service, it looks at the proxy's clients. */
static void check_gate_beside_proxy(const struct config *config, struct config_errors *errors)
{
	const struct config_front *proxy = &config->proxy;
	bool has_port = false;

	if (!config->gate.enabled || !proxy->enabled || config->gate.repeat != REPEAT_RESET ||
	    strcmp(config->gate.service, proxy->service) != 0)
		return;
	for (unsigned i = 0; i < proxy->listen.count; i++)
		has_port |= proxy->listen.each[i].kind == ENDPOINT_INET;
	if (!has_port)
		config_errors_add(
			errors, CONFIG_WHOLE, 0, "front.gate.service",
			"the gate resets clients of the proxy and must know their port: write front.proxy.listen as ADDRESS:PORT");
	if (proxy->accept_proxy_protocol)
		config_errors_add(
			errors, CONFIG_WHOLE, 0, "front.gate.service",
			"the proxy's clients come through load balancers, and a reset would meet those. Write front.gate.enabled = no");
}

static void check_haproxy(const struct config *config, struct config_errors *errors)
{
	const struct config_asked *h = &config->haproxy;

	for (unsigned i = 0; h->enabled && i < h->responder.count; i++)
		if (h->responder.each[i].kind == ENDPOINT_UNIX)
			config_errors_add(errors, CONFIG_WHOLE, 0, "front.haproxy.responder",
					  "a UNIX socket has no SMTP clients: write ADDRESS:PORT");
}

static void check_nginx(const struct config *config, struct config_errors *errors)
{
	const struct config_asked *n = &config->nginx;

	if (n->enabled && n->backend.kind != ENDPOINT_INET)
		config_errors_add(
			errors, CONFIG_WHOLE, 0, "front.nginx.backend",
			"is missing: say where the mail server listens, such as 127.0.0.1:2525");
}

static void check_agent(const struct config *config, struct config_errors *errors)
{
	if (config_service_index(config, config->agent.service) < 0)
		config_errors_add(errors, CONFIG_WHOLE, 0, "front.agent.service",
				  "there is no service '%s'", config->agent.service);
}

static void check_fleet(const struct config_fleet *fleet, struct config_errors *errors)
{
	for (unsigned i = 0; i < fleet->servers.count; i++)
		if (fleet->servers.each[i].kind == ENDPOINT_SYSTEMD)
			config_errors_add(
				errors, CONFIG_WHOLE, 0, "fleet.servers",
				"is where penstockd connects to: write ADDRESS:PORT or unix:PATH");
	if (fleet->hide_addresses && !fleet->key_file[0])
		config_errors_add(
			errors, CONFIG_WHOLE, 0, "fleet.hide_addresses",
			"needs fleet.key_file: without a secret key the hashes hide nothing");
	if (!fleet->tls_cert[0] != !fleet->tls_key[0])
		config_errors_add(errors, CONFIG_WHOLE, 0, "fleet.tls_key",
				  "tls_cert and tls_key belong together: set both or neither");
	if (fleet->user[0] && !fleet->password_file[0])
		config_errors_add(errors, CONFIG_WHOLE, 0, "fleet.password_file",
				  "is missing: fleet.user has a password");
	if (!fleet->prefix[0])
		config_errors_add(errors, CONFIG_WHOLE, 0, "fleet.prefix", "must not be empty");
}

static bool is_either(const char *name, const struct config_guard *one,
		      const struct config_guard *other)
{
	return strcmp(one->name, name) == 0 || strcmp(other->name, name) == 0;
}

/* Beside the policy service and the proxy a gate with repeat = reset decides nothing: it only
 * resets. */
static bool may_stand_beside(const struct config *config, const struct config_guard *one,
			     const struct config_guard *other)
{
	return config->gate.repeat == REPEAT_RESET && is_either("gate", one, other) &&
	       (is_either("policy", one, other) || is_either("proxy", one, other));
}

/* Only one front may refuse for a service: with two, each would count only its own sessions. */
static void check_enforcing(const struct config *config, struct config_errors *errors)
{
	struct config_guard one, other;
	char key[96];

	for (unsigned i = 1; config_guard(config, i, &one); i++)
		for (unsigned j = 0; j < i && config_guard(config, j, &other); j++) {
			if (!one.enabled || !other.enabled ||
			    strcmp(one.service, other.service) != 0 ||
			    may_stand_beside(config, &one, &other))
				continue;
			snprintf(key, sizeof(key), "front.%s.service", one.name);
			config_errors_add(
				errors, CONFIG_WHOLE, 0, key,
				"'%s' is guarded by front.%s already: one enforcing front per service",
				one.service, other.name);
		}
}

/* On a host without any time zones an unknown one is no error: host/maintenance.c warns. On others
 * it is: the name is misspelt. */
static void check_maintenance(const struct config_maintenance *m, struct config_errors *errors)
{
	struct zone zone;
	int r;

	for (unsigned i = 0; i < m->windows; i++) {
		const char *name = m->window[i].when.zone;

		r = zone_file_load(name, &zone);
		if (r == -ENOENT || r == -EINVAL)
			config_errors_add(errors, CONFIG_WHOLE, 0, "maintenance.window",
					  "there is no time zone '%s': %s/%s %s", name,
					  ZONE_DIRECTORY, name,
					  r == -EINVAL ? "is no time zone file" : "is not there");
	}
}

static bool has_port(const struct config_service *service, uint16_t port)
{
	for (unsigned i = 0; i < CONFIG_PORTS && service->ports[i]; i++)
		if (service->ports[i] == port)
			return true;
	return false;
}

/* A service that the file may not name at all. */
static const char *hint_of(const struct config_service *service)
{
	return strcmp(service->name, "mx") == 0
		       ? ". [service.mx] with port 25 is there unless you change it: call this "
			 "service mx, or give [service.mx] other ports"
		       : "";
}

static void check_services(const struct config *config, struct config_errors *errors)
{
	char key[96];

	for (unsigned i = 0; i < config->services; i++) {
		snprintf(key, sizeof(key), "service.%s.ports", config->service[i].name);
		if (!config->service[i].ports[0])
			config_errors_add(errors, CONFIG_WHOLE, 0, key,
					  "is missing: say on which ports the MTA listens");
		for (unsigned j = 0; j < i; j++)
			for (unsigned a = 0; a < CONFIG_PORTS && config->service[i].ports[a]; a++)
				if (has_port(&config->service[j], config->service[i].ports[a]))
					config_errors_add(errors, CONFIG_WHOLE, 0, key,
							  "%u is service %s's already%s",
							  config->service[i].ports[a],
							  config->service[j].name,
							  hint_of(&config->service[j]));
	}
}

static void check_pools(const struct config *config, struct config_errors *errors)
{
	char key[96];

	for (unsigned i = 0; i < config->pools; i++) {
		snprintf(key, sizeof(key), "pool.%s.networks", config->pool[i].name);
		if (!config->pool[i].networks.count)
			config_errors_add(errors, CONFIG_WHOLE, 0, key,
					  "is missing: say whose pool it is");
	}
}

void config_check(const struct config *config, bool of_trace, struct config_errors *errors)
{
	check_asked(config, errors);
	check_proxy(config, errors);
	check_fleet(&config->fleet, errors);
	check_addresses(config, errors);
	check_gate(config, errors);
	check_gate_beside_proxy(config, errors);
	check_haproxy(config, errors);
	check_nginx(config, errors);
	check_agent(config, errors);
	check_enforcing(config, errors);
	check_services(config, errors);
	check_pools(config, errors);
	if (config->window_max && config->window_max < config->window_min)
		config_errors_add(errors, CONFIG_WHOLE, 0, "objective.window_max",
				  "is less than objective.window_min");
	if (!of_trace) /* a trace may come from a host with other time zones */
		check_maintenance(&config->maintenance, errors);
}
