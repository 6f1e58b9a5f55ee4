/* Finds the program that listens on the guarded ports. A configuration under /etc proves
 * nothing: its package may have been removed. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/readfile.h"
#include "check/check.h"

#define INODES 16
#define LISTEN "0A"

struct sockets {
	unsigned count;
	unsigned long inode[INODES];
};

static bool has_port(const struct config_service *s, unsigned port)
{
	for (unsigned i = 0; i < CONFIG_PORTS && s->ports[i]; i++)
		if (s->ports[i] == port)
			return true;
	return false;
}

/* Finds the sockets in lines such as " 0: 00000000:0019 00000000:0000 0A 00000000:00000000
 * 00:00000000 00000000 0 0 12345 ...": the 10th word is the inode. */
static void find_sockets(const struct check *c, const struct config_service *s, const char *table,
			 struct sockets *sockets)
{
	char path[CONFIG_PATH_MAX + 64], line[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/proc/self/net/%s", c->root, table);
	f = fopen(path, "re");
	while (f && sockets->count < INODES && fgets(line, sizeof(line), f)) {
		char local[64], state[8];
		unsigned long inode;
		const char *colon;

		if (sscanf(line, " %*[^:]: %63s %*s %7s %*s %*s %*s %*s %*s %lu", local, state,
			   &inode) != 3 ||
		    strcmp(state, LISTEN) != 0 || !inode)
			continue;
		colon = strrchr(local, ':');
		if (colon && has_port(s, (unsigned)strtoul(colon + 1, NULL, 16)))
			sockets->inode[sockets->count++] = inode;
	}
	if (f)
		fclose(f);
}

/* Whether a process holds one of the sockets. */
static bool holds(const struct check *c, const char *pid, const struct sockets *sockets)
{
	char path[CONFIG_PATH_MAX + 64];
	struct dirent *entry;
	bool found = false;
	DIR *fds;

	snprintf(path, sizeof(path), "%s/proc/%s/fd", c->root, pid);
	fds = opendir(path);
	while (fds && !found && (entry = readdir(fds))) {
		char target[64] = "";
		unsigned long inode;

		if (readlinkat(dirfd(fds), entry->d_name, target, sizeof(target) - 1) < 0 ||
		    sscanf(target, "socket:[%lu]", &inode) != 1)
			continue;
		for (unsigned i = 0; i < sockets->count; i++)
			found |= sockets->inode[i] == inode;
	}
	if (fds)
		closedir(fds);
	return found;
}

static enum check_server server_of(const struct check *c, const char *pid, const char *name)
{
	char path[64], line[4096];
	int n;

	if (strcmp(name, "master") == 0)
		return CHECK_POSTFIX;
	if (strncmp(name, "exim", 4) == 0)
		return CHECK_EXIM;
	if (strcmp(name, "docker-proxy") == 0 || strcmp(name, "rootlessport") == 0)
		return CHECK_DOCKER_PROXY;
	if (strcmp(name, "smtpd") == 0) /* found with its master */
		return CHECK_OPENSMTPD;
	snprintf(path, sizeof(path), "/proc/%s/cmdline", pid);
	n = check_read(c, path, line, sizeof(line));
	for (int i = 0; i < n; i++) /* words end in NUL */
		if (!line[i])
			line[i] = ' ';
	if (n > 0 && strcasestr(line, "haraka"))
		return CHECK_HARAKA;
	return CHECK_OTHER;
}

static void look_at(struct check *c, const char *pid, const struct sockets *sockets)
{
	enum check_server server;
	char path[64], name[32];

	if (!holds(c, pid, sockets))
		return;
	snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	if (check_read(c, path, name, sizeof(name)) < 0)
		return;
	name[strcspn(name, "\n")] = 0;
	server = server_of(c, pid, name);
	/* Several processes hold it: Postfix' master and its smtpd, or systemd and the service that
	 * it started. */
	if (c->server == CHECK_POSTFIX || (c->server && (server == CHECK_OTHER)))
		return;
	c->server = server;
	snprintf(c->listener, sizeof(c->listener), "%s", name);
}

/* ---- mail ports that no service of the configuration has ------------------------------------ */

/* Whether the address in a line of /proc/net/tcp or tcp6 is a loopback one: 32-bit words in the
 * byte order of this host, as hexadecimal. */
static bool is_loopback(const char *address)
{
	size_t n = strcspn(address, ":");

	if (n == 8 || (n == 32 && strncmp(address, "0000000000000000FFFF0000", 24) == 0))
		return strncmp(address + n - 2, "7F", 2) == 0;
	return strncmp(address, "00000000000000000000000001000000", 32) == 0;
}

/* A line of such a table: " 0: 00000000:0019 00000000:0000 0A ...". */
static bool table_has(const struct check *c, const char *pid, const char *table, unsigned port,
		      bool beyond)
{
	char path[CONFIG_PATH_MAX + 64], line[512];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "%s/proc/%s/net/%s", c->root, pid, table);
	f = fopen(path, "re");
	while (f && !found && fgets(line, sizeof(line), f)) {
		char local[64], state[8];
		const char *colon;

		if (sscanf(line, " %*[^:]: %63s %*s %7s", local, state) != 2)
			continue;
		colon = strrchr(local, ':');
		found = colon && strtoul(colon + 1, NULL, 16) == port &&
			strcmp(state, LISTEN) == 0 && (!beyond || !is_loopback(local));
	}
	if (f)
		fclose(f);
	return found;
}

bool check_listens(const struct check *c, const char *pid, unsigned port, bool beyond)
{
	return table_has(c, pid, "tcp", port, beyond) || table_has(c, pid, "tcp6", port, beyond);
}

static bool is_ours(const struct endpoints *listen, unsigned port)
{
	for (unsigned i = 0; i < listen->count; i++)
		if (endpoint_port(&listen->each[i]) == port)
			return true;
	return false;
}

static bool is_named(const struct config *config, unsigned port)
{
	for (unsigned i = 0; i < config->services; i++)
		if (has_port(&config->service[i], port))
			return true;
	return config->proxy.enabled && is_ours(&config->proxy.listen, port);
}

static void unwatched(struct check *c)
{
	static const unsigned ports[] = { 25, 465, 587 };
	char what[300];

	for (unsigned i = 0; i < ARRAY_SIZE(ports); i++) {
		if (is_named(c->config, ports[i]) || !check_listens(c, "self", ports[i], true))
			continue;
		snprintf(
			what, sizeof(what),
			"a server listens on port %u, and no service names it: its sessions are not counted, and no connection is refused there",
			ports[i]);
		check_found(
			c, "port-unwatched", what,
			"[service.mx] ports = ... %u, or a service of its own: [service.submission] ports = %u, shed = no",
			ports[i], ports[i]);
	}
}

void check_listener(struct check *c)
{
	struct sockets sockets = { 0 };
	char path[CONFIG_PATH_MAX + 16];
	struct dirent *entry;
	DIR *proc;

	if (c->no_kernel || !c->config->services)
		return;
	unwatched(c);
	find_sockets(c, &c->config->service[0], "tcp", &sockets);
	find_sockets(c, &c->config->service[0], "tcp6", &sockets);
	if (!sockets.count)
		return;
	snprintf(path, sizeof(path), "%s/proc", c->root);
	proc = opendir(path);
	while (proc && (entry = readdir(proc)))
		if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9')
			look_at(c, entry->d_name, &sockets);
	if (proc)
		closedir(proc);
}

/* ---- other servers than Postfix, which has a file of its own -------------------------------- */

/* The last "name = number" of an Exim configuration; `otherwise`: it is not set. */
static unsigned exim_number(const char *text, const char *name, unsigned otherwise)
{
	size_t n = strlen(name);

	for (const char *line = text; line && *line; line = strchr(line, '\n')) {
		line += strspn(line, "\n \t");
		if (strncmp(line, name, n) == 0 && line[n + strspn(line + n, " \t")] == '=')
			otherwise =
				(unsigned)strtoul(line + n + strspn(line + n, " \t="), NULL, 10);
	}
	return otherwise;
}

static void exim(struct check *c)
{
	static const char *const places[] = { "/var/lib/exim4/config.autogenerated",
					      "/etc/exim4/exim4.conf", "/etc/exim/exim.conf",
					      "/etc/exim.conf" };
	static char text[262144];
	unsigned backlog, most;
	char what[400];
	int n = -ENOENT;

	for (unsigned i = 0; n < 0 && i < ARRAY_SIZE(places); i++)
		n = check_read(c, places[i], text, sizeof(text));
	if (n < 0) {
		check_skip(c, "Exim: its configuration is not where Debian and Red Hat have it");
		return;
	}
	backlog = exim_number(text, "smtp_connect_backlog", 20);
	most = exim_number(text, "smtp_accept_max", 20);
	if (backlog < 128) {
		snprintf(
			what, sizeof(what),
			"Exim's accept queue has room for %u connections (smtp_connect_backlog): in a burst the kernel drops the others, and their senders wait for seconds",
			backlog);
		check_found(
			c, "exim-backlog", what, "%s",
			"smtp_connect_backlog = 1024 in Exim's main configuration, then restart Exim");
	}
	if (most && c->config->service[0].slots != most) {
		snprintf(
			what, sizeof(what),
			"service.%s.slots = %u, and Exim serves %u sessions at once (smtp_accept_max)",
			c->config->service[0].name, c->config->service[0].slots, most);
		check_found(c, "slots", what, "[service.%s] slots = %u", c->config->service[0].name,
			    most);
	}
}

static void proxy_version(struct check *c, enum config_proxy_protocol wrong, const char *name,
			  const char *right)
{
	char what[300];

	if (!c->config->proxy.enabled || c->config->proxy.proxy_protocol != wrong)
		return;
	snprintf(
		what, sizeof(what),
		"%s understands version %s of the PROXY protocol only, and penstock-proxy sends the other: no session gets through",
		name, right);
	check_found(c, "proxy-protocol", what, "[front.proxy] proxy_protocol = %s", right);
}

void check_server(struct check *c)
{
	char what[400];

	switch (c->server) {
	case CHECK_DOCKER_PROXY:
		/* The proxy is in front of the published port, and passes on the client's
		 * address. */
		if (c->config->proxy.enabled)
			break;
		snprintf(
			what, sizeof(what),
			"%s listens on the port of service.%s, the mail server is in a container behind it: it sees one address for all clients%s",
			c->listener, c->config->service[0].name,
			c->config->gate.enabled ? ", and the gate guards the wrong program" : "");
		check_found(
			c, "docker-proxy", what, "%s",
			"see /usr/share/doc/penstock/snippets/containers.md: \"userland-proxy\": false and [front.gate] netns, or penstock-proxy in place of the published port");
		break;
	case CHECK_EXIM:
		exim(c);
		break;
	case CHECK_HARAKA:
		proxy_version(c, PROXY_PROTOCOL_V2, "Haraka", "v1");
		break;
	case CHECK_OPENSMTPD:
		proxy_version(c, PROXY_PROTOCOL_V1, "OpenSMTPD", "v2");
		break;
	default:
		break;
	}
}
