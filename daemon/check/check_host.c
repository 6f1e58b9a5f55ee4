/* The kernel's settings and this machine's size. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/array.h"
#include "check/check.h"
#include "kernel/gate.h"

#define BACKLOG 4096 /* backlog that penstock's own listeners ask for */
#define MIB 1048576.0

static void pressure_stall(struct check *c)
{
	char buf[512];
	int r = check_read(c, "/proc/pressure/memory", buf, sizeof(buf));

	if (r >= 0 || c->no_kernel)
		return;
	check_found(
		c, "psi",
		r == -ENOENT
			? "this kernel has no pressure stall information: memory and disk pressure are guessed from lesser signs"
			: "pressure stall information is switched off: memory and disk pressure are guessed from lesser signs",
		"boot with psi=1 on the kernel's command line (Debian: GRUB_CMDLINE_LINUX in /etc/default/grub, then update-grub; "
		"EL and Fedora: grubby --update-kernel=ALL --args=psi=1)");
}

static void accept_queues(struct check *c)
{
	uint64_t most = 0, flag = 0;
	char what[300];

	if (check_read_u64(c, "/proc/sys/net/core/somaxconn", &most) == 0 && most < BACKLOG) {
		snprintf(
			what, sizeof(what),
			"net.core.somaxconn = %llu cuts every accept queue to that: bursts of connections are lost in the kernel before any server can answer them",
			(unsigned long long)most);
		check_found(
			c, "somaxconn", what,
			"sysctl -w net.core.somaxconn=%d, and the same in /etc/sysctl.d; then restart the mail server and penstock",
			BACKLOG);
	}
	if (check_read_u64(c, "/proc/sys/net/ipv4/tcp_abort_on_overflow", &flag) == 0 && flag)
		check_found(
			c, "abort-on-overflow",
			"net.ipv4.tcp_abort_on_overflow = 1: a full accept queue resets clients instead of letting them try again",
			"sysctl -w net.ipv4.tcp_abort_on_overflow=0");
	if (check_read_u64(c, "/proc/sys/net/ipv4/tcp_syncookies", &flag) == 0 && !flag)
		check_found(
			c, "syncookies",
			"net.ipv4.tcp_syncookies = 0: a flood of half-open connections keeps all clients out",
			"sysctl -w net.ipv4.tcp_syncookies=1");
}

/* Copies the text after `setting` ("LimitNOFILE=") in a unit file into `ret`. False: no file has
 * it. */
static bool unit_says(const struct check *c, const char *unit, const char *setting, char ret[32])
{
	static const char *const places[] = { "/etc/systemd/system/%s.service.d/override.conf",
					      "/etc/systemd/system/%s.service",
					      "/usr/lib/systemd/system/%s.service",
					      "/lib/systemd/system/%s.service" };
	char path[128], buf[16384];

	for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
		const char *at;

		snprintf(path, sizeof(path), places[i], unit);
		if (check_read(c, path, buf, sizeof(buf)) < 0)
			continue;
		for (at = strstr(buf, setting); at; at = strstr(at + 1, setting))
			if (at > buf && at[-1] == '\n')
				break;
		if (!at)
			continue;
		at += strlen(setting);
		snprintf(ret, 32, "%.*s", (int)strcspn(at, "\n"), at);
		return true;
	}
	return false;
}

/* The LimitNOFILE= of a unit; 0: none, or unknown. */
static uint64_t descriptors_of(const struct check *c, const char *unit)
{
	char said[32];

	if (!unit_says(c, unit, "LimitNOFILE=", said))
		return 0;
	return strcmp(said, "infinity") == 0 ? UINT64_MAX : strtoull(said, NULL, 10);
}

/* Parses "1G" as systemd writes it: K, M, G, T of 1024. UINT64_MAX: no limit. */
static uint64_t memory_of(const char *said)
{
	static const char units[] = "KMGT";
	char *end;
	uint64_t bytes = strtoull(said, &end, 10);
	const char *unit = *end ? strchr(units, *end) : NULL;

	if (end == said || *end == '%')
		return UINT64_MAX;
	return unit ? bytes << (10 * (unit - units + 1)) : bytes;
}

/* Checks the memory of the table of sources, all of which penstockd allocates at the start. */
static void table_of_sources(struct check *c)
{
	const struct config_source_options *o = &c->config->sources;
	uint64_t rates = config_rate_bytes(o);
	uint64_t wanted = o->ledger_bytes + rates + (UINT64_C(64) << 20), limit;
	char said[32], what[300];

	if (!unit_says(c, "penstockd", "MemoryMax=", said))
		return;
	limit = memory_of(said);
	if (wanted <= limit)
		return;
	snprintf(
		what, sizeof(what),
		"source.ledger_size asks for a table of %llu MiB, and penstockd.service may have %s (MemoryMax=): penstockd makes a smaller table, which remembers fewer senders",
		(unsigned long long)((o->ledger_bytes + rates) >> 20), said);
	check_found(
		c, "ledger-memory", what,
		"systemctl edit penstockd: [Service] MemoryMax=%lluM; or lower source.ledger_size",
		(unsigned long long)((wanted + wanted / 4) >> 20));
}

static void descriptors(struct check *c, const char *unit, uint64_t wanted, const char *option)
{
	uint64_t limit = descriptors_of(c, unit), most = 0;
	char what[300];

	if (limit && limit < wanted) {
		snprintf(
			what, sizeof(what),
			"%s may have %llu descriptors, and %s asks for %llu: clients past that are turned away",
			unit, (unsigned long long)limit, option, (unsigned long long)wanted);
		check_found(c, "descriptors", what,
			    "systemctl edit %s: [Service] LimitNOFILE=%llu; or lower %s", unit,
			    (unsigned long long)wanted, option);
	}
	if (check_read_u64(c, "/proc/sys/fs/file-max", &most) == 0 && most < 2 * wanted)
		check_found(
			c, "file-max",
			"fs.file-max is near what penstock alone may want: then no process on this machine can open a file",
			"sysctl -w fs.file-max=%llu", (unsigned long long)(4 * wanted));
}

static void spool_space(struct check *c, const struct config_service *s)
{
	for (unsigned i = 0; i < CONFIG_QUEUE_DIRS && s->queue_dirs[i][0]; i++) {
		char path[2 * CONFIG_PATH_MAX], what[400];
		struct statvfs v;
		double left;

		snprintf(path, sizeof(path), "%s%s", c->root, s->queue_dirs[i]);
		if (statvfs(path, &v) < 0) {
			snprintf(what, sizeof(what), "service.%s.queue_dirs: %s: %s", s->name,
				 s->queue_dirs[i], strerror(errno));
			check_found(
				c, "queue-dir", what,
				"name the mail server's queue directory (postconf -h queue_directory)");
			continue;
		}
		left = (double)v.f_bavail * (double)v.f_frsize;
		if (left >= 4 * (double)c->config->disk_reserve_bytes && v.f_favail > 10000)
			continue;
		snprintf(
			what, sizeof(what),
			"%s has %.0f MiB and %llu inodes left: penstock defers mail when %.0f MiB are left",
			s->queue_dirs[i], left / MIB, (unsigned long long)v.f_favail,
			(double)c->config->disk_reserve_bytes / MIB);
		check_found(c, "spool-space", what, "%s",
			    "make room, or give the queue a file system of its own");
	}
}

static void gate(struct check *c)
{
	const char *form;
	char why[256], what[400];

	if (!c->config->gate.enabled || gate_possible(c->config, &form, why) == 0)
		return;
	snprintf(what, sizeof(what), "front.gate is enabled and cannot stand here: %s", why);
	check_found(
		c, "gate", what, "%s",
		"give penstockd what is missing (penstockctl support, as the user that it runs as), or use penstock-proxy instead: [front.proxy], /usr/share/doc/penstock/snippets/postfix/proxy.md");
}

void check_host(struct check *c)
{
	const struct config *config = c->config;

	pressure_stall(c);
	accept_queues(c);
	if (config->gate.enabled)
		descriptors(c, "penstockd", (uint64_t)config->gate.linger_max + 4096 + 512,
			    "front.gate.linger_max");
	if (config->proxy.enabled)
		descriptors(c, "penstock-proxy", 2 * (uint64_t)config->proxy.connections_max + 64,
			    "front.proxy.connections_max");
	table_of_sources(c);
	for (unsigned i = 0; i < config->services; i++)
		spool_space(c, &config->service[i]);
	gate(c);
}
