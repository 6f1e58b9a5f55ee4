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

#define DEFAULT_FILE "/etc/penstock/penstock.conf"
#define LINE_MOST 1024
#define FILE_LINES_MOST 10000

/* While one source is read. */
struct reader {
	struct config *config;
	struct config_errors *errors;
	const char *file;
	FILE *stream;
	unsigned line;
	bool stop;
};

static void add_error(struct config_errors *errors, const char *file, unsigned line,
		      const char *key, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

static void add_error(struct config_errors *errors, const char *file, unsigned line,
		      const char *key, const char *format, ...)
{
	struct config_error *e;
	va_list args;

	if (errors->count++ >= CONFIG_ERRORS)
		return;
	e = &errors->error[errors->count - 1];
	snprintf(e->file, sizeof(e->file), "%s", file);
	e->line = line;
	snprintf(e->key, sizeof(e->key), "%s", key);
	va_start(args, format);
	vsnprintf(e->reason, sizeof(e->reason), format, args);
	va_end(args);
}

void config_error_print(const struct config_error *error, char *buf, unsigned size)
{
	if (error->line)
		snprintf(buf, size, "%s:%u: %s: %s", error->file, error->line, error->key,
			 error->reason);
	else
		snprintf(buf, size, "%s: %s: %s", error->file, error->key, error->reason);
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
	gethostname(service->hostname, sizeof(service->hostname) - 1);
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
	set_defaults(SCOPE_FRONT, &config->policy);
	set_defaults(SCOPE_FRONT, &config->proxy);
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
	if (strcmp(section, "front.policy") == 0)
		return &config->policy;
	if (strcmp(section, "front.proxy") == 0)
		return &config->proxy;
	for (unsigned n = 0; n < option_rows_count; n++)
		if (strcmp(option_rows[n].section, section) == 0)
			return config;
	snprintf(
		why, 256,
		"there is no section [%.60s]; there are daemon, service.NAME, objective, target, source, pool.NAME, nic, front.policy, front.proxy, front.gate, http, control",
		section);
	return NULL;
}

static int set_option(struct config *config, const char *section, const char *key,
		      const char *value, char *why)
{
	const struct option_row *row;
	const char *near;
	void *base;

	if (strcmp(section, "target") == 0)
		return set_target(config, key, value, why);
	if (strncmp(section, "target.", 7) == 0 && strcmp(key, "target") == 0)
		return set_target(config, section + 7, value, why);
	base = section_base(config, section, why);
	if (!base)
		return -EINVAL;
	row = option_find(section, key);
	if (!row) {
		near = option_nearest(section, key);
		if (near)
			snprintf(why, 256, "unknown key; did you mean '%s'?", near);
		else
			snprintf(why, 256, "unknown key");
		return -EINVAL;
	}
	return option_set(row, base, value, why);
}

/* Counts lines for ini_parse_stream(), whose Debian build does not tell them, and refuses what no configuration holds. */
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

static int on_option(void *context, const char *section, const char *key, const char *value)
{
	struct reader *r = context;
	char why[256] = "", name[96];

	snprintf(name, sizeof(name), "%s%s%s", section, section[0] ? "." : "", key);
	if (!section[0])
		add_error(r->errors, r->file, r->line, name, "stands before the first [section]");
	else if (set_option(r->config, section, key, value, why) < 0)
		add_error(r->errors, r->file, r->line, name, "%s", why);
	return 1;
}

static void read_stream(struct config *config, FILE *stream, const char *file,
			struct config_errors *errors)
{
	struct reader r = { .config = config, .errors = errors, .file = file, .stream = stream };
	int bad = ini_parse_stream(read_line, &r, on_option, &r);

	if (bad > 0 && !r.stop)
		add_error(errors, file, (unsigned)bad, "line",
			  "is neither [section] nor key = value");
}

/* -ENOENT when the file is not there. */
static int read_file(struct config *config, const char *file, struct config_errors *errors)
{
	_cleanup_fclose_ FILE *stream = fopen(file, "re");

	if (!stream)
		return -errno;
	read_stream(config, stream, file, errors);
	return 0;
}

static void read_text(struct config *config, const struct config_source *source,
		      struct config_errors *errors)
{
	_cleanup_fclose_ FILE *stream =
		source->text_length ? fmemopen((void *)source->text, source->text_length, "r")
				    : NULL;

	if (stream)
		read_stream(config, stream, "text", errors);
}

static int is_conf(const struct dirent *entry)
{
	size_t n = strlen(entry->d_name);

	return n > 5 && entry->d_name[0] != '.' && strcmp(entry->d_name + n - 5, ".conf") == 0;
}

static void read_directory(struct config *config, const char *file, struct config_errors *errors)
{
	char directory[PATH_MAX], path[PATH_MAX + 300];
	struct dirent **entries = NULL;
	int n;

	snprintf(directory, sizeof(directory), "%s.d", file);
	n = scandir(directory, &entries, is_conf, alphasort);
	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", directory, entries[i]->d_name);
		read_file(config, path, errors);
		free(entries[i]);
	}
	free(entries);
}

static void read_files(struct config *config, const struct config_source *source,
		       struct config_errors *errors)
{
	const char *file = source->file ? source->file : DEFAULT_FILE;
	int r = read_file(config, file, errors);

	if (r < 0 && (source->file || r != -ENOENT))
		add_error(errors, file, 0, "file", "cannot be read: %s", strerror(-r));
	read_directory(config, file, errors);
}

static void read_override(struct config *config, const char *text, struct config_errors *errors)
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
	}
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
	if (front->listen.kind == ENDPOINT_NONE)
		add_error(errors, "configuration", 0, key,
			  "is missing: an enabled front needs an address to listen on");
	if (front != &config->proxy)
		return;
	snprintf(key, sizeof(key), "front.%s.backend", name);
	if (front->backend.kind != ENDPOINT_INET && front->backend.kind != ENDPOINT_UNIX)
		add_error(errors, "configuration", 0, key, "is missing: say where the MTA listens");
	else if (strcmp(front->backend.text, front->listen.text) == 0)
		add_error(errors, "configuration", 0, key, "is the proxy's own listen address");
}

static void check_gate(const struct config *config, struct config_errors *errors)
{
	const struct config_gate *gate = &config->gate;

	if (!gate->enabled)
		return;
	if (config_service_index(config, gate->service) < 0)
		add_error(errors, "configuration", 0, "front.gate.service",
			  "there is no service '%s'", gate->service);
	if (gate->listen.kind == ENDPOINT_UNIX)
		add_error(errors, "configuration", 0, "front.gate.listen",
			  "a UNIX socket has no SMTP clients: write ADDRESS:PORT");
	if (!config->bpf)
		add_error(errors, "configuration", 0, "front.gate.enabled",
			  "the gate is BPF, and daemon.bpf is no: use front.proxy instead");
}

/* One front a service that turns away: two would each keep a count of their own. */
static void check_enforcing(const struct config *config, struct config_errors *errors)
{
	const struct {
		const char *name, *service;
		bool enabled;
	} front[] = { { "gate", config->gate.service, config->gate.enabled },
		      { "proxy", config->proxy.service, config->proxy.enabled },
		      { "policy", config->policy.service, config->policy.enabled } };
	char key[96];

	for (unsigned i = 1; i < ARRAY_SIZE(front); i++)
		for (unsigned j = 0; j < i; j++) {
			if (!front[i].enabled || !front[j].enabled ||
			    strcmp(front[i].service, front[j].service) != 0)
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
	check_gate(config, errors);
	check_enforcing(config, errors);
	for (unsigned i = 0; i < config->pools; i++) {
		snprintf(key, sizeof(key), "pool.%s.networks", config->pool[i].name);
		if (!config->pool[i].networks.count)
			add_error(errors, "configuration", 0, key,
				  "is missing: say whose pool it is");
	}
	if (config->window_most && config->window_most < config->window_least)
		add_error(errors, "configuration", 0, "objective.window_most",
			  "is less than objective.window_least");
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

	memset(ret_errors, 0, sizeof(*ret_errors));
	if (!config)
		return -ENOMEM;
	config_defaults(config);
	if (source->text)
		read_text(config, source, ret_errors);
	else
		read_files(config, source, ret_errors);
	for (unsigned i = 0; i < source->overrides_count; i++)
		read_override(config, source->overrides[i], ret_errors);
	if (source->run_dir)
		snprintf(config->run_dir, sizeof(config->run_dir), "%s", source->run_dir);
	if (source->state_dir)
		snprintf(config->state_dir, sizeof(config->state_dir), "%s", source->state_dir);
	if (ret_errors->count == 0)
		check_whole(config, ret_errors);
	if (ret_errors->count)
		return -EINVAL;
	memcpy(ret, config, sizeof(*ret));
	return 0;
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
		text_append(out, "# %s\n%s = ", option_rows[i].help, option_rows[i].key);
		option_print(&option_rows[i], base, out);
		text_append(out, "\n");
	}
	text_append(out, "\n");
}

void config_print(const struct config *config, struct text *out)
{
	static const char *const sections[] = { "daemon", "objective", "source",    "nic",
						"http",	  "control",   "front.gate" };
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
	print_scope("front", "front.policy", &config->policy, out);
	print_scope("front", "front.proxy", &config->proxy, out);
	text_append(out, "[target]\n");
	for (int i = 0; i < SIGNAL__COUNT; i++) {
		if (config->target[i] <= 0 && signal_info[i].target <= 0)
			continue;
		text_append(out, "# %s\n%s = ", signal_info[i].help, signal_info[i].name);
		if (signal_info[i].unit == UNIT_US)
			text_append(out, "%.0fus\n", config->target[i]);
		else
			text_append(out, "%.10g\n", config->target[i]);
	}
}
