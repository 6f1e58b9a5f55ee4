/* Files and the command line -> struct config, whole and validated, or a list of what is wrong. */
#include <dirent.h>
#include <errno.h>
#include <ini.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "base/text.h"
#include "config/options.h"
#include "config/zone_file.h"

#define DEFAULT_FILE "/etc/penstock/penstock.conf"
/* What a package ships for its users: read first, so that the files under /etc say what counts. */
#ifndef PENSTOCK_VENDOR_FILE
#define PENSTOCK_VENDOR_FILE "/usr/lib/penstock/penstock.conf"
#endif
#define LINE_MOST 1024
#define COMMENT_COLUMNS 96 /* of --print-config */
#define FILE_LINES_MOST 10000
#define PLACES_MOST 512 /* keys whose line is remembered: more than there are options */

/* Where a key was last set, so that what is found wrong later can name the line. */
struct place {
	char key[96]; /* section.key */
	const char *file; /* of a file that is read now or was: see places.files */
	unsigned line;
};

struct places {
	unsigned count, files;
	struct place place[PLACES_MOST];
	char file[64][CONFIG_PATH_MAX];
};

/* While one source is read. */
#define TRACE_TEXT "text" /* file of errors in it */

struct reader {
	struct config *config;
	struct config_errors *errors;
	struct places *places;
	const char *file;
	FILE *stream;
	unsigned line;
	bool of_trace; /* the text that a recorded trace has of its configuration */
	bool stop;
};

static void add_error(struct config_errors *errors, const char *file, unsigned line,
		      const char *key, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

static void fill_error(struct config_error *e, const char *file, unsigned line, const char *key)
{
	snprintf(e->file, sizeof(e->file), "%s", file);
	e->line = line;
	snprintf(e->key, sizeof(e->key), "%s", key);
}

static void add_error(struct config_errors *errors, const char *file, unsigned line,
		      const char *key, const char *format, ...)
{
	struct config_error *e;
	va_list args;

	if (errors->count++ >= CONFIG_ERRORS)
		return;
	e = &errors->error[errors->count - 1];
	fill_error(e, file, line, key);
	va_start(args, format);
	vsnprintf(e->reason, sizeof(e->reason), format, args);
	va_end(args);
}

static void add_warning(struct config_errors *errors, const char *file, unsigned line,
			const char *key, const char *reason)
{
	struct config_error *e;

	if (errors->warnings == CONFIG_ERRORS)
		return;
	e = &errors->warning[errors->warnings++];
	fill_error(e, file, line, key);
	snprintf(e->reason, sizeof(e->reason), "%s", reason);
}

void config_error_print(const struct config_error *error, char *buf, unsigned size)
{
	if (error->line)
		snprintf(buf, size, "%s:%u: %s: %s", error->file, error->line, error->key,
			 error->reason);
	else
		snprintf(buf, size, "%s: %s: %s", error->file, error->key, error->reason);
}

static const char *remember_file(struct places *places, const char *file)
{
	for (unsigned i = 0; i < places->files; i++)
		if (strcmp(places->file[i], file) == 0)
			return places->file[i];
	if (places->files == ARRAY_SIZE(places->file))
		return NULL;
	snprintf(places->file[places->files], CONFIG_PATH_MAX, "%s", file);
	return places->file[places->files++];
}

static void remember(struct places *places, const char *key, const char *file, unsigned line)
{
	const char *kept = remember_file(places, file);
	struct place *place = places->place;

	while (place < places->place + places->count && strcmp(place->key, key) != 0)
		place++;
	if (!kept || place == places->place + PLACES_MOST)
		return;
	places->count += place == places->place + places->count;
	snprintf(place->key, sizeof(place->key), "%s", key);
	place->file = kept;
	place->line = line;
}

/* The line of a key; of one that is set nowhere, the first line of its section. NULL: there is
 * none. */
static const struct place *find_place(const struct places *places, const char *key)
{
	const char *dot = strrchr(key, '.');
	size_t section = dot ? (size_t)(dot - key) + 1 : 0;
	const struct place *first = NULL;

	for (unsigned i = 0; i < places->count; i++) {
		const struct place *place = &places->place[i];

		if (strcmp(place->key, key) == 0)
			return place;
		if (!first && section && strncmp(place->key, key, section) == 0 &&
		    !strchr(place->key + section, '.'))
			first = place;
	}
	return first;
}

/* What check_whole() found is of no line yet. */
static void locate_errors(struct config_errors *errors, const struct places *places)
{
	for (unsigned i = 0; i < errors->count && i < CONFIG_ERRORS; i++) {
		struct config_error *e = &errors->error[i];
		const struct place *place =
			strcmp(e->file, "configuration") == 0 ? find_place(places, e->key) : NULL;

		if (!place)
			continue;
		snprintf(e->file, sizeof(e->file), "%s", place->file);
		e->line = place->line;
	}
}

static void set_defaults(enum option_scope scope, void *base)
{
	char why[256];

	for (unsigned i = 0; i < option_rows_count; i++)
		if (option_rows[i].scope == scope && option_rows[i].value)
			option_set(&option_rows[i], base, option_rows[i].value, why);
}

static struct config_service *add_service(struct config *config, const char *name)
{
	struct config_service *service;

	if (config->services == PLAN_SERVICES)
		return NULL;
	service = &config->service[config->services++];
	snprintf(service->name, sizeof(service->name), "%s", name);
	set_defaults(SCOPE_SERVICE, service);
	gethostname(service->reply.hostname, sizeof(service->reply.hostname) - 1);
	/* Submission: applications do not queue, a deferred mail is lost. */
	if (strncmp(name, "submission", 10) == 0) {
		service->shed = PLAN_SHED_NO;
		service->ports[0] = strcmp(name, "submissions") == 0 ? 465 : 587;
		service->tls = strcmp(name, "submissions") == 0 ? TLS_IMPLICIT : TLS_STARTTLS;
	}
	return service;
}

void config_defaults(struct config *config)
{
	memset(config, 0, sizeof(*config));
	set_defaults(SCOPE_CONFIG, config);
	for (int i = 0; i < SIGNAL__COUNT; i++)
		config->target[i] = signal_info[i].target;
	add_service(config, "mx")->ports[0] = 25;
}

int config_service_index(const struct config *config, const char *name)
{
	for (unsigned i = 0; i < config->services; i++)
		if (strcmp(config->service[i].name, name) == 0)
			return (int)i;
	return -1;
}

static bool in_networks(const struct config_networks *networks, const struct in6_addr *address)
{
	for (unsigned i = 0; i < networks->count; i++) {
		const struct config_network *n = &networks->network[i];
		unsigned bytes = n->bits / 8, rest = n->bits % 8;
		uint8_t mask = (uint8_t)(0xff00 >> rest);

		if (memcmp(&n->address, address, bytes) == 0 &&
		    (rest == 0 ||
		     (n->address.s6_addr[bytes] & mask) == (address->s6_addr[bytes] & mask)))
			return true;
	}
	return false;
}

bool config_trusted(const struct config *config, const struct in6_addr *address)
{
	return in_networks(&config->sources.trusted, address);
}

bool config_refused(const struct config *config, const struct in6_addr *address)
{
	return in_networks(&config->sources.refused, address);
}

bool config_sends_headers(const struct config *config, const struct in6_addr *address)
{
	return in_networks(&config->proxy.proxy_from, address);
}

static int set_target(struct config *config, const char *name, const char *value, char *why)
{
	enum signal signal = signal_by_name(name);
	uint64_t number;
	int r;

	if (signal == SIGNAL__COUNT) {
		snprintf(why, 256, "there is no signal '%.60s'; penstockd --support lists them",
			 name);
		return -EINVAL;
	}
	switch (signal_info[signal].unit) {
	case UNIT_RATIO:
		r = parse_ratio(value, &config->target[signal]);
		break;
	case UNIT_US:
		r = parse_duration_us(value, &number);
		break;
	case UNIT_BYTES:
	case UNIT_BYTES_PER_S:
		r = parse_bytes(value, &number);
		break;
	default:
		r = parse_double(value, &config->target[signal]);
	}
	if (r < 0) {
		snprintf(
			why, 256,
			"'%.60s' is not a value for %s; write 90%%, 20ms, 64MiB or a number, as its unit asks",
			value, name);
		return -EINVAL;
	}
	if (signal_info[signal].unit == UNIT_US || signal_info[signal].unit == UNIT_BYTES ||
	    signal_info[signal].unit == UNIT_BYTES_PER_S)
		config->target[signal] = (double)number;
	return 0;
}

static struct config_pool *find_pool(struct config *config, const char *name, char *why)
{
	struct config_pool *pool;

	for (unsigned i = 0; i < config->pools; i++)
		if (strcmp(config->pool[i].name, name) == 0)
			return &config->pool[i];
	if (!name[0] || strlen(name) >= sizeof(pool->name)) {
		snprintf(why, 256, "a pool needs a name of 1 to 31 characters");
		return NULL;
	}
	if (config->pools == CONFIG_POOLS) {
		snprintf(why, 256, "at most %d pools", CONFIG_POOLS);
		return NULL;
	}
	pool = &config->pool[config->pools++];
	snprintf(pool->name, sizeof(pool->name), "%s", name);
	set_defaults(SCOPE_POOL, pool);
	return pool;
}

/* The struct that a section's options live in; NULL with `why` when there is no such section. */
static void *section_base(struct config *config, const char *section, char *why)
{
	int i;

	if (strncmp(section, "service.", 8) == 0) {
		i = config_service_index(config, section + 8);
		if (i >= 0)
			return &config->service[i];
		if (!section[8] || strlen(section + 8) >= sizeof(config->service[0].name)) {
			snprintf(why, 256, "a service needs a name of 1 to 31 characters");
			return NULL;
		}
		if (config->services == PLAN_SERVICES) {
			snprintf(why, 256, "at most %d services", PLAN_SERVICES);
			return NULL;
		}
		return add_service(config, section + 8);
	}
	if (strncmp(section, "pool.", 5) == 0)
		return find_pool(config, section + 5, why);
	for (unsigned n = 0; n < option_rows_count; n++)
		if (strcmp(option_rows[n].section, section) == 0)
			return config;
	snprintf(
		why, 256,
		"there is no section [%.60s]; there are daemon, service.NAME, objective, target, source, pool.NAME, nic, front.policy, front.proxy, front.gate, front.haproxy, front.nginx, front.line, front.milter, front.agent, fleet, http, maintenance, control",
		section);
	return NULL;
}

/* 0 with an empty `why`, or with what should be changed; -EINVAL with what is wrong. */
static int set_option(struct config *config, const char *section, const char *key,
		      const char *value, char *why)
{
	const char *now = option_renamed(section, key), *near;
	const struct option_row *row;
	void *base;
	int r;

	if (strcmp(section, "target") == 0)
		return set_target(config, key, value, why);
	if (strncmp(section, "target.", 7) == 0 && strcmp(key, "target") == 0)
		return set_target(config, section + 7, value, why);
	base = section_base(config, section, why);
	if (!base)
		return -EINVAL;
	row = option_find(section, now ? now : key);
	if (!row) {
		const char *other = option_other_front(section, key);

		near = option_nearest(section, key);
		if (other)
			snprintf(
				why, 256,
				"this front does not use the option, and it never had an effect here. Take it out%s%s%s",
				option_gone(other, key) ? "" : ", or write it in [",
				option_gone(other, key) ? "" : other,
				option_gone(other, key) ? "" : "]");
		else if (near)
			snprintf(why, 256, "unknown key; did you mean '%s'?", near);
		else
			snprintf(why, 256, "unknown key");
		return -EINVAL;
	}
	r = option_set(row, base, value, why);
	if (r == 0 && now)
		snprintf(why, 256,
			 "is called %s.%s now. The old name is taken until the next release; "
			 "change it before",
			 section, now);
	return r;
}

/* Counts lines for ini_parse_stream(), whose Debian build does not tell them, and refuses what no
 * configuration holds. */
static char *read_line(char *buf, int size, void *context)
{
	struct reader *r = context;
	char *line;
	size_t n;

	if (r->stop)
		return NULL;
	line = fgets(buf, size, r->stream);
	if (!line)
		return NULL;
	r->line++;
	n = strlen(buf);
	if (n == 0 || (buf[n - 1] != '\n' && !feof(r->stream))) {
		add_error(r->errors, r->file, r->line, "line",
			  n == 0 ? "holds a NUL: this is not a configuration file"
				 : "is longer than %d characters",
			  size - 2);
		r->stop = true;
		return NULL;
	}
	if (r->line > FILE_LINES_MOST) {
		add_error(r->errors, r->file, r->line, "file", "has more than %d lines",
			  FILE_LINES_MOST);
		r->stop = true;
		return NULL;
	}
	return line;
}

/* "yes # a comment": as people write it. libinih knows " ;" only. No value holds a blank followed
 * by '#'. */
static void cut_comment(char *value)
{
	for (char *at = value; (at = strchr(at, '#')); at++) {
		if (at != value && at[-1] != ' ' && at[-1] != '\t')
			continue;
		while (at > value && (at[-1] == ' ' || at[-1] == '\t'))
			at--;
		*at = 0;
		return;
	}
}

static int on_option(void *context, const char *section, const char *key, const char *whole)
{
	struct reader *r = context;
	char why[256] = "", name[96], value[LINE_MOST + 1];
	unsigned errors = r->errors->count;

	snprintf(value, sizeof(value), "%s", whole);
	cut_comment(value);

	snprintf(name, sizeof(name), "%s%s%s", section, section[0] ? "." : "", key);
	/* A trace of an older penstock lists all options for all fronts. */
	if (r->of_trace && option_other_front(section, key))
		return 1;
	if (!r->of_trace && option_gone(section, key)) {
		snprintf(why, sizeof(why),
			 "is gone and has no effect: %s. Take it out: the next release refuses it",
			 option_gone(section, key));
		add_warning(r->errors, r->file, r->line, name, why);
		return 1;
	}
	if (!section[0])
		add_error(r->errors, r->file, r->line, name, "stands before the first [section]");
	else if (set_option(r->config, section, key, value, why) < 0)
		add_error(r->errors, r->file, r->line, name, "%s", why);
	else
		remember(r->places, name, r->file, r->line);
	if (r->errors->count == errors && why[0] && !r->of_trace)
		add_warning(r->errors, r->file, r->line, name, why);
	return 1;
}

static void read_stream(struct config *config, FILE *stream, const char *file,
			struct config_errors *errors, struct places *places)
{
	struct reader r = { .config = config,
			    .errors = errors,
			    .places = places,
			    .file = file,
			    .stream = stream,
			    .of_trace = strcmp(file, TRACE_TEXT) == 0 };
	int bad = ini_parse_stream(read_line, &r, on_option, &r);

	if (bad > 0 && !r.stop)
		add_error(errors, file, (unsigned)bad, "line",
			  "is neither [section] nor key = value");
}

/* -ENOENT when the file is not there. */
static int read_file(struct config *config, const char *file, struct config_errors *errors,
		     struct places *places)
{
	_cleanup_fclose_ FILE *stream = fopen(file, "re");

	if (!stream)
		return -errno;
	read_stream(config, stream, file, errors, places);
	return 0;
}

static void read_text(struct config *config, const struct config_source *source,
		      struct config_errors *errors, struct places *places)
{
	_cleanup_fclose_ FILE *stream =
		source->text_length ? fmemopen((void *)source->text, source->text_length, "r")
				    : NULL;

	if (stream)
		read_stream(config, stream, TRACE_TEXT, errors, places);
}

static int is_conf(const struct dirent *entry)
{
	size_t n = strlen(entry->d_name);

	return n > 5 && entry->d_name[0] != '.' && strcmp(entry->d_name + n - 5, ".conf") == 0;
}

static void read_directory(struct config *config, const char *file, struct config_errors *errors,
			   struct places *places)
{
	char directory[PATH_MAX], path[PATH_MAX + 300];
	struct dirent **entries = NULL;
	int n;

	snprintf(directory, sizeof(directory), "%s.d", file);
	n = scandir(directory, &entries, is_conf, alphasort);
	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", directory, entries[i]->d_name);
		read_file(config, path, errors, places);
		free(entries[i]);
	}
	free(entries);
}

static void read_files(struct config *config, const struct config_source *source,
		       struct config_errors *errors, struct places *places)
{
	const char *file = source->file ? source->file : DEFAULT_FILE;
	int r;

	if (!source->file && (r = read_file(config, PENSTOCK_VENDOR_FILE, errors, places)) < 0 &&
	    r != -ENOENT)
		add_error(errors, PENSTOCK_VENDOR_FILE, 0, "file", "cannot be read: %s",
			  strerror(-r));
	r = read_file(config, file, errors, places);
	if (r < 0 && (source->file || r != -ENOENT))
		add_error(errors, file, 0, "file", "cannot be read: %s", strerror(-r));
	read_directory(config, file, errors, places);
}

static void read_override(struct config *config, const char *text, struct config_errors *errors,
			  struct places *places)
{
	const char *equals = strchr(text, '=');
	char name[128], why[256] = "", *dot;

	if (!equals || (size_t)(equals - text) >= sizeof(name)) {
		add_error(errors, "-o", 0, text, "is not section.key=value");
		return;
	}
	memcpy(name, text, (size_t)(equals - text));
	name[equals - text] = 0;
	dot = strrchr(name, '.');
	if (!dot || dot == name || !dot[1]) {
		add_error(errors, "-o", 0, name, "is not section.key");
		return;
	}
	*dot = 0;
	if (set_option(config, name, dot + 1, equals + 1, why) < 0) {
		*dot = '.';
		add_error(errors, "-o", 0, name, "%s", why);
		return;
	}
	*dot = '.';
	remember(places, name, "-o", 0);
	if (why[0])
		add_warning(errors, "-o", 0, name, why);
}

static void check_front(const struct config *config, const char *name,
			const struct config_front *front, struct config_errors *errors)
{
	char key[96];

	if (!front->enabled)
		return;
	snprintf(key, sizeof(key), "front.%s.service", name);
	if (config_service_index(config, front->service) < 0)
		add_error(errors, "configuration", 0, key, "there is no service '%s'",
			  front->service);
	snprintf(key, sizeof(key), "front.%s.listen", name);
	if (!front->listen.count)
		add_error(errors, "configuration", 0, key,
			  "is missing: an enabled front needs an address to listen on");
	if (front != &config->proxy)
		return;
	snprintf(key, sizeof(key), "front.%s.backend", name);
	if (front->backend.kind != ENDPOINT_INET && front->backend.kind != ENDPOINT_UNIX)
		add_error(errors, "configuration", 0, key, "is missing: say where the MTA listens");
	for (unsigned i = 0; i < front->listen.count; i++)
		if (strcmp(front->backend.text, front->listen.each[i].text) == 0)
			add_error(errors, "configuration", 0, key,
				  "is the proxy's own listen address");
}

/* Whom the server behind the proxy takes for its client decides for whom it relays. */
static void check_addresses(const struct config_front *proxy, struct config_errors *errors)
{
	if (!proxy->enabled)
		return;
	if (proxy->proxy_protocol == PROXY_PROTOCOL_UNSAID)
		add_error(
			errors, "configuration", 0, "front.proxy.proxy_protocol",
			"is missing. Without a PROXY header the mail server takes every client for this host, and may relay mail for all of them. Write v1 for Postfix, Exim or Haraka, v2 for OpenSMTPD, and let the mail server expect it (see penstock-proxy(8))");
	if (proxy->accept_proxy_protocol && !proxy->proxy_from.count)
		add_error(
			errors, "configuration", 0, "front.proxy.proxy_from",
			"is missing: accept_proxy_protocol = yes would believe any client that claims to be another one. Name the networks of the load balancers");
	if (proxy->proxy_protocol == PROXY_PROTOCOL_NONE && !proxy->client_addresses_hidden)
		add_error(
			errors, "configuration", 0, "front.proxy.proxy_protocol",
			"none makes the mail server take every client for this host, and it may relay mail for all of them. Write v1 (Postfix, Exim, Haraka) or v2 (OpenSMTPD). If the server trusts no address of this host: client_addresses_hidden = yes");
}

static void check_gate(const struct config *config, struct config_errors *errors)
{
	const struct config_gate *gate = &config->gate;

	if (!gate->enabled)
		return;
	if (config_service_index(config, gate->service) < 0)
		add_error(errors, "configuration", 0, "front.gate.service",
			  "there is no service '%s'", gate->service);
	for (unsigned i = 0; i < gate->listen.count; i++)
		if (gate->listen.each[i].kind == ENDPOINT_UNIX)
			add_error(errors, "configuration", 0, "front.gate.listen",
				  "a UNIX socket has no SMTP clients: write ADDRESS:PORT");
	if (!config->bpf)
		add_error(errors, "configuration", 0, "front.gate.enabled",
			  "the gate is BPF, and daemon.bpf is no: use front.proxy instead");
}

/* The gate beside the proxy of the same service looks at the proxy's clients. */
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
		add_error(
			errors, "configuration", 0, "front.gate.service",
			"the gate resets clients of the proxy and must know their port: write front.proxy.listen as ADDRESS:PORT");
	if (proxy->accept_proxy_protocol)
		add_error(
			errors, "configuration", 0, "front.gate.service",
			"the proxy's clients come through load balancers, and a reset would meet those. Write front.gate.enabled = no");
}

static void check_haproxy(const struct config *config, struct config_errors *errors)
{
	const struct config_haproxy *h = &config->haproxy;

	if (!h->enabled)
		return;
	if (config_service_index(config, h->service) < 0)
		add_error(errors, "configuration", 0, "front.haproxy.service",
			  "there is no service '%s'", h->service);
	if (!h->listen.count)
		add_error(errors, "configuration", 0, "front.haproxy.listen",
			  "is missing: say where HAProxy asks, such as 127.0.0.1:9828");
	for (unsigned i = 0; i < h->responder.count; i++)
		if (h->responder.each[i].kind == ENDPOINT_UNIX)
			add_error(errors, "configuration", 0, "front.haproxy.responder",
				  "a UNIX socket has no SMTP clients: write ADDRESS:PORT");
}

static void check_nginx(const struct config *config, struct config_errors *errors)
{
	const struct config_nginx *n = &config->nginx;

	if (!n->enabled)
		return;
	if (config_service_index(config, n->service) < 0)
		add_error(errors, "configuration", 0, "front.nginx.service",
			  "there is no service '%s'", n->service);
	if (!n->listen.count)
		add_error(errors, "configuration", 0, "front.nginx.listen",
			  "is missing: say where nginx asks, such as 127.0.0.1:9831");
	if (n->backend.kind != ENDPOINT_INET)
		add_error(errors, "configuration", 0, "front.nginx.backend",
			  "is missing: say where the mail server listens, such as 127.0.0.1:2525");
}

static void check_agent(const struct config *config, struct config_errors *errors)
{
	if (config_service_index(config, config->agent.service) < 0)
		add_error(errors, "configuration", 0, "front.agent.service",
			  "there is no service '%s'", config->agent.service);
}

static void check_fleet(const struct config_fleet *fleet, struct config_errors *errors)
{
	for (unsigned i = 0; i < fleet->servers.count; i++)
		if (fleet->servers.each[i].kind == ENDPOINT_SYSTEMD)
			add_error(
				errors, "configuration", 0, "fleet.servers",
				"is where penstockd connects to: write ADDRESS:PORT or unix:PATH");
	if (fleet->hide_addresses && !fleet->key_file[0])
		add_error(errors, "configuration", 0, "fleet.hide_addresses",
			  "needs fleet.key_file: without a secret key the hashes hide nothing");
	if (!fleet->tls_cert[0] != !fleet->tls_key[0])
		add_error(errors, "configuration", 0, "fleet.tls_key",
			  "tls_cert and tls_key belong together: set both or neither");
	if (fleet->user[0] && !fleet->password_file[0])
		add_error(errors, "configuration", 0, "fleet.password_file",
			  "is missing: fleet.user has a password");
	if (!fleet->prefix[0])
		add_error(errors, "configuration", 0, "fleet.prefix", "must not be empty");
}

/* A host without any time zones starts all the same, and host/maintenance.c says what that means:
 * a typing mistake is another thing. */
static void check_maintenance(const struct config_maintenance *m, struct config_errors *errors)
{
	struct zone zone;
	int r;

	for (unsigned i = 0; i < m->windows; i++) {
		const char *name = m->window[i].when.zone;

		r = zone_file_load(name, &zone);
		if (r == -ENOENT || r == -EINVAL)
			add_error(errors, "configuration", 0, "maintenance.window",
				  "there is no time zone '%s': %s/%s %s", name, ZONE_DIRECTORY,
				  name, r == -EINVAL ? "is no time zone file" : "is not there");
	}
}

/* One front a service that turns away: two would each keep a count of their own. */
static void check_enforcing(const struct config *config, struct config_errors *errors)
{
	const struct {
		const char *name, *service;
		bool enabled;
	} front[] = { { "gate", config->gate.service, config->gate.enabled },
		      { "proxy", config->proxy.service, config->proxy.enabled },
		      { "policy", config->policy.service, config->policy.enabled },
		      { "haproxy", config->haproxy.service, config->haproxy.enabled },
		      { "nginx", config->nginx.service, config->nginx.enabled },
		      { "line", config->line.service, config->line.enabled },
		      { "milter", config->milter.service, config->milter.enabled } };
	char key[96];

	for (unsigned i = 1; i < ARRAY_SIZE(front); i++)
		for (unsigned j = 0; j < i; j++) {
			if (!front[i].enabled || !front[j].enabled ||
			    strcmp(front[i].service, front[j].service) != 0)
				continue;
			/* Beside these the gate makes no verdict: it resets. */
			if ((strcmp(front[i].name, "policy") == 0 ||
			     strcmp(front[i].name, "proxy") == 0) &&
			    strcmp(front[j].name, "gate") == 0 &&
			    config->gate.repeat == REPEAT_RESET)
				continue;
			snprintf(key, sizeof(key), "front.%s.service", front[i].name);
			add_error(
				errors, "configuration", 0, key,
				"'%s' is guarded by front.%s already: one enforcing front per service",
				front[i].service, front[j].name);
		}
}

static void check_whole(const struct config *config, struct config_errors *errors)
{
	char key[96];

	check_front(config, "policy", &config->policy, errors);
	check_front(config, "proxy", &config->proxy, errors);
	check_front(config, "line", &config->line, errors);
	check_front(config, "milter", &config->milter, errors);
	check_fleet(&config->fleet, errors);
	check_addresses(&config->proxy, errors);
	check_gate(config, errors);
	check_gate_beside_proxy(config, errors);
	check_haproxy(config, errors);
	check_nginx(config, errors);
	check_agent(config, errors);
	check_enforcing(config, errors);
	for (unsigned i = 0; i < config->pools; i++) {
		snprintf(key, sizeof(key), "pool.%s.networks", config->pool[i].name);
		if (!config->pool[i].networks.count)
			add_error(errors, "configuration", 0, key,
				  "is missing: say whose pool it is");
	}
	if (config->window_most && config->window_most < config->window_least)
		add_error(errors, "configuration", 0, "objective.window_max",
			  "is less than objective.window_min");
	for (unsigned i = 0; i < config->services; i++) {
		snprintf(key, sizeof(key), "service.%s.ports", config->service[i].name);
		if (!config->service[i].ports[0])
			add_error(errors, "configuration", 0, key,
				  "is missing: say on which ports the MTA listens");
		for (unsigned j = 0; j < i; j++)
			for (unsigned a = 0; a < CONFIG_PORTS && config->service[i].ports[a]; a++)
				for (unsigned b = 0;
				     b < CONFIG_PORTS && config->service[j].ports[b]; b++)
					if (config->service[i].ports[a] ==
					    config->service[j].ports[b])
						add_error(errors, "configuration", 0, key,
							  "%u is service %s's already",
							  config->service[i].ports[a],
							  config->service[j].name);
	}
}

int config_load(const struct config_source *source, struct config *ret,
		struct config_errors *ret_errors)
{
	_cleanup_free_ struct config *config = calloc(1, sizeof(*config));
	_cleanup_free_ struct places *places = calloc(1, sizeof(*places));

	memset(ret_errors, 0, sizeof(*ret_errors));
	if (!config || !places)
		return -ENOMEM;
	config_defaults(config);
	if (source->text)
		read_text(config, source, ret_errors, places);
	else
		read_files(config, source, ret_errors, places);
	for (unsigned i = 0; i < source->overrides_count; i++)
		read_override(config, source->overrides[i], ret_errors, places);
	if (source->run_dir)
		snprintf(config->run_dir, sizeof(config->run_dir), "%s", source->run_dir);
	if (source->state_dir)
		snprintf(config->state_dir, sizeof(config->state_dir), "%s", source->state_dir);
	if (ret_errors->count == 0) {
		check_whole(config, ret_errors);
		if (!source->text) /* a trace may come from a host with other time zones */
			check_maintenance(&config->maintenance, ret_errors);
		locate_errors(ret_errors, places);
	}
	if (ret_errors->count)
		return -EINVAL;
	memcpy(ret, config, sizeof(*ret));
	return 0;
}

/* Folded: a line of a file has a bound (libinih: 198 characters). */
static void print_comment(const char *help, struct text *out)
{
	while (*help) {
		size_t n = strlen(help);

		if (n > COMMENT_COLUMNS) {
			n = COMMENT_COLUMNS;
			while (n > 1 && help[n] != ' ')
				n--;
		}
		text_append(out, "# %.*s\n", (int)n, help);
		help += n;
		while (*help == ' ')
			help++;
	}
}

/* For rows without a help, which are told only where a test or a trace has changed them. */
static bool is_default(const struct option_row *row, const void *base)
{
	char buffer[64] = "";
	struct text value = TEXT_OF(buffer);

	option_print(row, base, &value);
	return strcmp(buffer, row->value ? row->value : "0") == 0;
}

static void print_scope(const char *match, const char *section, const void *base, struct text *out)
{
	bool first = true;

	for (unsigned i = 0; i < option_rows_count; i++) {
		if (strcmp(option_rows[i].section, match) != 0)
			continue;
		if (first)
			text_append(out, "[%s]\n", section);
		first = false;
		if (option_rows[i].help)
			print_comment(option_rows[i].help, out);
		else if (is_default(&option_rows[i], base))
			continue;
		text_append(out, "%s = ", option_rows[i].key);
		option_print(&option_rows[i], base, out);
		text_append(out, "\n");
	}
	text_append(out, "\n");
}

void config_print(const struct config *config, struct text *out)
{
	static const char *const sections[] = { "daemon",	"objective",   "source",
						"nic",		"fleet",       "http",
						"maintenance",	"control",     "front.gate",
						"front.policy", "front.proxy", "front.haproxy",
						"front.nginx",	"front.line",  "front.milter",
						"front.agent" };
	char name[64];

	for (unsigned i = 0; i < ARRAY_SIZE(sections); i++)
		print_scope(sections[i], sections[i], config, out);
	for (unsigned i = 0; i < config->services; i++) {
		snprintf(name, sizeof(name), "service.%s", config->service[i].name);
		print_scope("service", name, &config->service[i], out);
	}
	for (unsigned i = 0; i < config->pools; i++) {
		snprintf(name, sizeof(name), "pool.%s", config->pool[i].name);
		print_scope("pool", name, &config->pool[i], out);
	}
	text_append(out, "[target]\n");
	for (int i = 0; i < SIGNAL__COUNT; i++) {
		if (config->target[i] <= 0 && signal_info[i].target <= 0)
			continue;
		print_comment(signal_info[i].help, out);
		text_append(out, "%s = ", signal_info[i].name);
		if (signal_info[i].unit == UNIT_US)
			text_append(out, "%.0fus\n", config->target[i]);
		else
			text_append(out, "%.10g\n", config->target[i]);
	}
}
