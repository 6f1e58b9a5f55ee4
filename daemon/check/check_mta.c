/* Finds where a program listens on the guarded ports: in our network namespace, in another one, or
 * nowhere. */
#include <dirent.h>
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/readfile.h"
#include "check/check.h"

#define NAMESPACES 128 /* how many are looked into */

struct look {
	struct check *check;
	unsigned count;
	ino_t seen[NAMESPACES];
};

static bool listens_in(const struct check *c, const char *pid, const struct config_service *s)
{
	for (unsigned i = 0; i < CONFIG_PORTS && s->ports[i]; i++)
		if (check_listens(c, pid, s->ports[i], false))
			return true;
	return false;
}

static bool first_of_its_namespace(struct look *look, const char *pid)
{
	char path[CONFIG_PATH_MAX + 64];
	struct stat st;

	snprintf(path, sizeof(path), "%s/proc/%s/ns/net", look->check->root, pid);
	if (stat(path, &st) < 0)
		return false;
	for (unsigned i = 0; i < look->count; i++)
		if (look->seen[i] == st.st_ino)
			return false;
	if (look->count == NAMESPACES)
		return false;
	look->seen[look->count++] = st.st_ino;
	return true;
}

/* Finds a process in another network namespace in which a program listens on the ports. Its number
 * goes into `ret` (32 bytes). */
static bool elsewhere(struct check *c, const struct config_service *s, char *ret)
{
	struct look look = { .check = c };
	char path[CONFIG_PATH_MAX + 16];
	struct dirent *entry;
	bool found = false;
	DIR *proc;

	first_of_its_namespace(&look, "self");
	snprintf(path, sizeof(path), "%s/proc", c->root);
	proc = opendir(path);
	while (proc && !found && (entry = readdir(proc))) {
		if (entry->d_name[0] < '0' || entry->d_name[0] > '9' ||
		    !first_of_its_namespace(&look, entry->d_name))
			continue;
		found = listens_in(c, entry->d_name, s);
		if (found)
			snprintf(ret, 32, "%.31s", entry->d_name);
	}
	if (proc)
		closedir(proc);
	return found;
}

static void process_name(const struct check *c, const char *pid, char *ret, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	if (check_read(c, path, ret, size) < 0)
		snprintf(ret, size, "?");
	ret[strcspn(ret, "\n")] = 0;
}

static void one(struct check *c, const struct config_service *s)
{
	bool gate = c->config->gate.enabled && strcmp(c->config->gate.service, s->name) == 0;
	char pid[32], name[32], what[400];

	if (c->no_kernel || listens_in(c, "self", s))
		return;
	if (elsewhere(c, s, pid)) {
		process_name(c, pid, name, sizeof(name));
		if (gate && c->config->gate.netns[0])
			return;
		snprintf(
			what, sizeof(what),
			"the mail server of service.%s listens in another network namespace (process %s, %s): its sessions are not counted from here%s",
			s->name, pid, name, gate ? ", and the gate guards no port" : "");
		check_found(
			c, "netns", what,
			gate ? "[front.gate] netns = /proc/%s/ns/net, or the namespace's name under /run/netns"
			     : "run penstockd in that namespace (process %s), or put penstock-proxy in front of it",
			pid);
		return;
	}
	snprintf(what, sizeof(what), "nothing listens on the ports of service.%s (first: %u)",
		 s->name, s->ports[0]);
	check_found(c, "no-listener", what, "start the mail server, or set [service.%s] ports",
		    s->name);
}

/* ---- behind the proxy ----------------------------------------------------------------------- */

/* Only the proxy should be able to reach the server, which would believe a PROXY header from any
 * other client, too. */
static void backend_open(struct check *c)
{
	const struct config_front *proxy = &c->config->proxy;
	const char *colon = strrchr(proxy->backend.text, ':');
	unsigned port = colon ? (unsigned)strtoul(colon + 1, NULL, 10) : 0;
	char what[400];

	if (c->no_kernel || !endpoint_is_loopback(&proxy->backend) ||
	    !check_listens(c, "self", port, true))
		return;
	snprintf(
		what, sizeof(what),
		"the mail server behind penstock-proxy listens on port %u for other hosts too: they pass penstock by%s",
		port,
		proxy->proxy_protocol >= PROXY_PROTOCOL_V1
			? ", and a PROXY header of theirs may name an address for which the server relays"
			: "");
	check_found(
		c, "backend-open", what,
		"let the mail server listen on %s only (Postfix: master.cf; Exim: local_interfaces)",
		proxy->backend.text);
}

static void hidden_addresses(struct check *c)
{
	if (c->config->proxy.proxy_protocol != PROXY_PROTOCOL_NONE)
		return;
	check_found(
		c, "addresses-hidden",
		"penstock-proxy hides the clients' addresses (front.proxy.proxy_protocol = none): the mail server takes every client for this host, and is an open relay if it relays for an address of this host",
		"%s",
		"[front.proxy] proxy_protocol = v1 (Postfix, Exim, Haraka) or v2 (OpenSMTPD), and let the mail server expect it: penstock-proxy(8)");
}

void check_mta(struct check *c)
{
	if (c->config->proxy.enabled) {
		backend_open(c);
		hidden_addresses(c);
	}
	for (unsigned i = 0; i < c->config->services; i++)
		if (check_guarded(c, c->config->service[i].name) || i == 0)
			one(c, &c->config->service[i]);
	if (geteuid() != 0)
		check_skip(
			c,
			"network namespaces of other users' processes: run this as root to see them");
}
