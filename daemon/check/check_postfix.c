/* Compares the master.cf and main.cf of a Postfix with penstock's configuration and with this
 * machine. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/readfile.h"
#include "check/check.h"

#define MIB 1048576.0
#define SMTPD_BYTES (8 * 1048576.0) /* memory of one smtpd with TLS, as a rule of thumb */
#define MEMORY_SHARE 0.5 /* share of the machine's memory that all smtpd together may take */

static char value[POSTFIX_VALUE];

static const char *get(const struct check *c, int service, const char *name, const char *otherwise)
{
	return postfix_value(&c->conf, service, name, otherwise, value);
}

static double number(const struct check *c, int service, const char *name, const char *otherwise)
{
	return strtod(get(c, service, name, otherwise), NULL);
}

/* Parses the port of "25", "smtp", "192.0.2.1:smtp", "[::1]:2525". */
static unsigned port_of(const struct postfix_service *s)
{
	const char *colon = strrchr(s->name, ':'), *port = colon ? colon + 1 : s->name;

	if (strcmp(port, "smtp") == 0)
		return 25;
	if (strcmp(port, "submission") == 0)
		return 587;
	if (strcmp(port, "smtps") == 0 || strcmp(port, "submissions") == 0)
		return 465;
	return (unsigned)strtoul(port, NULL, 10);
}

static bool has_port(const struct config_service *s, unsigned port)
{
	for (unsigned i = 0; i < CONFIG_PORTS && s->ports[i]; i++)
		if (s->ports[i] == port)
			return true;
	return false;
}

static double processes(const struct check *c, int service)
{
	const char *most = c->conf.service[service].maxproc;

	return strcmp(most, "-") == 0 ? number(c, service, "default_process_limit", "100")
				      : strtod(most, NULL);
}

/* The smtpd behind a postscreen: the service "smtpd" of type pass. */
static int behind_postscreen(const struct check *c)
{
	for (unsigned i = 0; i < c->conf.services; i++)
		if (strcmp(c->conf.service[i].type, "pass") == 0 &&
		    strcmp(c->conf.service[i].command, "smtpd") == 0)
			return (int)i;
	return -1;
}

/* ---- its size ------------------------------------------------------------------------------- */

static void memory(struct check *c, int service)
{
	double most = processes(c, service), kib;
	char buf[8192], what[400];
	uint64_t total = 0;

	if (check_read(c, "/proc/meminfo", buf, sizeof(buf)) < 0 ||
	    readfile_field_u64(buf, "MemTotal:", &total) < 0)
		return;
	kib = (double)total;
	if (most * SMTPD_BYTES <= MEMORY_SHARE * kib * 1024 && most > 0)
		return;
	if (most <= 0)
		snprintf(
			what, sizeof(what),
			"master.cf: %s may have any number of smtpd processes: memory is the only limit",
			c->conf.service[service].name);
	else
		snprintf(
			what, sizeof(what),
			"master.cf: %s may have %.0f smtpd processes, about %.0f MiB, and this machine has %.0f MiB",
			c->conf.service[service].name, most, most * SMTPD_BYTES / MIB, kib / 1024);
	check_found(
		c, "processes-memory", what,
		"set maxproc (the 7th column) to %.0f or less, or default_process_limit in main.cf",
		MEMORY_SHARE * kib * 1024 / SMTPD_BYTES);
}

static void slots(struct check *c, const struct config_service *s, int service)
{
	double most = processes(c, service);
	char what[400];

	if (most <= 0 || (double)s->slots == most)
		return;
	snprintf(
		what, sizeof(what),
		s->slots
			? "service.%s.slots = %u, and Postfix may have %.0f smtpd processes there"
			: "service.%s.slots is not set (%u): penstock does not know that Postfix has %.0f smtpd processes at most",
		s->name, s->slots, most);
	check_found(c, "slots", what, "[service.%s] slots = %.0f", s->name, most);
}

static void queue(struct check *c, const struct config_service *s)
{
	double least = number(c, -1, "queue_minfree", "0");
	double message = number(c, -1, "message_size_limit", "10240000");
	char what[400];

	if (least < 1.5 * message && !(message <= 0 && least > 0)) {
		snprintf(
			what, sizeof(what),
			"main.cf: queue_minfree = %.0f with message_size_limit = %.0f: Postfix takes mail until the spool is full",
			least, message);
		check_found(
			c, "queue-minfree", what,
			"postconf -e queue_minfree=%.0f (twice the largest message; Postfix asks for 1.5 times at least)",
			message > 0 ? 2 * message : 104857600.0);
	}
	if (!s->queue_dirs[0][0])
		check_found(
			c, "queue-dirs",
			"queue_dirs is not set: penstockd looks for Postfix' queue by who listens, and where it does not find it, its space and disk are not watched",
			"[service.%s] queue_dirs = %s", s->name,
			get(c, -1, "queue_directory", "/var/spool/postfix"));
}

/* ---- the policy service --------------------------------------------------------------------- */

/* Whether a "{ unix:private/penstock, ... }" is an address of front.policy.listen. */
static bool calls(const struct check *c, const char *call)
{
	const struct endpoints *listen = &c->config->policy.listen;

	if (strstr(call, "penstock"))
		return true;
	for (unsigned i = 0; i < listen->count; i++) {
		const char *text = listen->each[i].text;
		const char *end = strrchr(text, listen->each[i].kind == ENDPOINT_UNIX ? '/' : ':');

		if (end && strstr(call, listen->each[i].kind == ENDPOINT_UNIX ? end + 1 : end))
			return true;
	}
	return false;
}

/* Whether a list of restrictions asks penstock. */
static const char *asks_penstock(const struct check *c, const char *restrictions)
{
	const char *at = restrictions;

	while ((at = strstr(at, "check_policy_service"))) {
		char call[256];
		size_t n;

		at += strlen("check_policy_service");
		at += strspn(at, " \t,");
		n = *at == '{' ? strcspn(at, "}") : strcspn(at, " \t,");
		snprintf(call, sizeof(call), "%.*s", (int)(n < 255 ? n : 255), at);
		if (calls(c, call))
			return at;
	}
	return NULL;
}

static void default_action(struct check *c, int service, const char *call)
{
	const char *end = *call == '{' ? strchr(call, '}') : call + strcspn(call, " \t,");
	const char *own = strstr(call, "default_action");

	if (own && end && own < end) {
		own += strcspn(own, "=");
		own += strspn(own, "= \t");
		if (strncasecmp(own, "DUNNO", 5) == 0)
			return;
	} else if (strncasecmp(get(c, service, "smtpd_policy_service_default_action",
				   "451 4.3.5 Server configuration problem"),
			       "DUNNO", 5) == 0) {
		return;
	}
	check_found(
		c, "policy-default-action",
		"Postfix answers 451 to every client while penstock's policy service is away (its default_action)",
		"%s",
		"write check_policy_service { unix:private/penstock, timeout=2s, try_limit=1, default_action=DUNNO }");
}

static void policy_of(struct check *c, int service)
{
	char restrictions[POSTFIX_VALUE];
	const char *call;
	bool own = postfix_overrides(&c->conf, service, "smtpd_client_restrictions");
	char what[400];

	postfix_value(&c->conf, service, "smtpd_client_restrictions", "", restrictions);
	call = asks_penstock(c, restrictions);
	if (!call)
		return;
	default_action(c, service, call);
	if (strcmp(get(c, service, "smtpd_delay_reject", "yes"), "no") != 0) {
		snprintf(
			what, sizeof(what),
			"master.cf: %s asks penstock, and smtpd_delay_reject is yes: clients hear of it at RCPT only, after a greeting",
			c->conf.service[service].name);
		check_found(c, "delay-reject", what, "%s",
			    "add -o smtpd_delay_reject=no under that service in master.cf");
	}
	if (!own && has_port(&c->config->service[0], port_of(&c->conf.service[service])))
		check_found(
			c, "policy-scope",
			"main.cf: smtpd_client_restrictions asks penstock for every service, submission too: its users would be turned away at connect",
			"%s",
			"take it out of main.cf and set it by -o smtpd_client_restrictions=... on the port 25 service in master.cf");
}

static void policy(struct check *c)
{
	bool asked = false;

	for (unsigned i = 0; i < c->conf.services; i++) {
		char restrictions[POSTFIX_VALUE];

		if (strcmp(c->conf.service[i].command, "smtpd") != 0)
			continue;
		policy_of(c, (int)i);
		postfix_value(&c->conf, (int)i, "smtpd_client_restrictions", "", restrictions);
		asked = asked || asks_penstock(c, restrictions);
	}
	if (strcmp(get(c, -1, "smtpd_delay_reject", "yes"), "no") == 0)
		check_found(
			c, "delay-reject-scope",
			"main.cf: smtpd_delay_reject = no holds for submission too, where it refuses clients before they can log in",
			"%s",
			"postconf -X smtpd_delay_reject, and set -o smtpd_delay_reject=no on the port 25 service in master.cf");
	if (c->config->policy.enabled && !asked)
		check_found(
			c, "policy-not-asked",
			"front.policy is enabled, and no smtpd in master.cf asks it", "%s",
			"see /usr/share/doc/penstock/snippets/postfix/policy.md, or take another front");
}

/* ---- the proxy ------------------------------------------------------------------------------ */

static unsigned backend_port(const struct check *c)
{
	const char *colon = strrchr(c->config->proxy.backend.text, ':');

	return colon ? (unsigned)strtoul(colon + 1, NULL, 10) : 0;
}

static void proxy(struct check *c)
{
	bool sends = c->config->proxy.proxy_protocol >= PROXY_PROTOCOL_V1;

	for (unsigned i = 0; i < c->conf.services; i++) {
		const struct postfix_service *s = &c->conf.service[i];
		bool screens = strcmp(s->command, "postscreen") == 0, expects;
		char what[400];

		if (strcmp(s->type, "inet") != 0 || port_of(s) != backend_port(c))
			continue;
		expects = get(c, (int)i,
			      screens ? "postscreen_upstream_proxy_protocol"
				      : "smtpd_upstream_proxy_protocol",
			      "")[0] != 0;
		if (expects && sends)
			continue;
		snprintf(
			what, sizeof(what),
			sends ? "penstock-proxy sends PROXY headers to %s, and Postfix does not expect them: no session gets through"
			: expects
				? "Postfix expects PROXY headers on %s, and penstock-proxy sends none: no session gets through"
				: "penstock-proxy sends no PROXY header to %s: Postfix takes every client for 127.0.0.1, and relays for all of them if that is in mynetworks",
			s->name);
		check_found(c, "proxy-protocol", what, "%s%s%s",
			    sends ? "" : "[front.proxy] proxy_protocol = v1",
			    sends || expects ? "" : ", and ",
			    expects   ? ""
			    : screens ? "postconf -e postscreen_upstream_proxy_protocol=haproxy"
				      : "-o smtpd_upstream_proxy_protocol=haproxy in master.cf");
	}
}

void check_postfix(struct check *c)
{
	const struct config_service *s = NULL;
	bool guarded_by_policy = c->config->policy.enabled;

	for (unsigned n = 0; n < c->config->services; n++)
		for (unsigned i = 0; i < c->conf.services; i++) {
			const struct postfix_service *p = &c->conf.service[i];
			int worker = (int)i;

			if (strcmp(p->type, "inet") != 0 ||
			    !has_port(&c->config->service[n], port_of(p)))
				continue;
			s = &c->config->service[n];
			if (strcmp(p->command, "postscreen") == 0) {
				worker = behind_postscreen(c);
				if (guarded_by_policy)
					check_found(
						c, "postscreen-policy",
						"postscreen answers the port, and it asks no policy service: penstock is heard after postscreen's tests only",
						"%s",
						"use the gate or penstock-proxy, which stand before postscreen");
			}
			if (worker < 0)
				continue;
			memory(c, worker);
			slots(c, s, worker);
		}
	if (!s) {
		check_skip(c, "Postfix: master.cf has no service on the ports of any service");
		return;
	}
	queue(c, s);
	policy(c);
	if (c->config->proxy.enabled)
		proxy(c);
}
