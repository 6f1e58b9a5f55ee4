/* The sections of a configuration: services, pools, targets and the rest, with their defaults. */
#include "config/sections.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/parse.h"
#include "config/options.h"
#include "config/unknown.h"

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
	/* Submission: applications do not retry, so a deferred mail is lost. */
	if (strncmp(name, "submission", 10) == 0) {
		service->shed = PLAN_SHED_NO;
		service->ports[0] = strcmp(name, "submissions") == 0 ? 465 : 587;
		service->implicit_tls = strcmp(name, "submissions") == 0;
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

void config_service_ids(const struct config *config, uint64_t ret_ids[PLAN_SERVICES])
{
	for (unsigned i = 0; i < PLAN_SERVICES; i++)
		ret_ids[i] = i < config->services ? plan_service_id(config->service[i].name) : 0;
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
	uint64_t number = 0;
	const char *form;
	double target;
	int r;

	if (signal == SIGNAL__COUNT) {
		unknown_signal(name, why);
		return -EINVAL;
	}
	switch (signal_info[signal].unit) {
	case UNIT_RATIO:
		r = parse_ratio(value, &target);
		form = "a share such as 90% or 0.9";
		break;
	case UNIT_US:
		r = parse_duration_us(value, &number);
		target = (double)number;
		form = "a time such as 20ms or 1.5s";
		break;
	case UNIT_S:
		r = parse_duration_us(value, &number);
		target = (double)number / 1e6;
		form = "a time such as 90s or 10min";
		break;
	case UNIT_BYTES:
	case UNIT_BYTES_PER_S:
		r = parse_bytes(value, &number);
		target = (double)number;
		form = "a size such as 512KiB or 64MiB";
		break;
	default:
		r = parse_double(value, &target);
		form = "a number such as 1.5 or 20, without a unit";
	}
	if (r < 0) {
		snprintf(why, 256, "'%.60s' is not a target for %s: write %s; 0 takes it out",
			 value, name, form);
		return -EINVAL;
	}
	/* A signal whose name ends with _us invites to write microseconds. */
	if (signal_info[signal].unit == UNIT_US && number && option_is_bare(value))
		snprintf(why, 256, OPTION_BARE_SECONDS, value);
	config->target[signal] = target;
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

/* The struct that holds a section's options; NULL with `why`: there is no such section. */
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
			snprintf(
				why, 256,
				"at most %d services. A service may have several ports, which share its limits: write ports = 25, 2525",
				PLAN_SERVICES);
			return NULL;
		}
		return add_service(config, section + 8);
	}
	if (strncmp(section, "pool.", 5) == 0)
		return find_pool(config, section + 5, why);
	for (unsigned n = 0; n < option_rows_count; n++)
		if (option_is_of(&option_rows[n], section))
			return config;
	unknown_section(section, why);
	return NULL;
}

int config_set(struct config *config, const char *section, const char *key, const char *value,
	       char *why)
{
	const char *now = option_renamed(section, key);
	bool of_target = strncmp(section, "target.", 7) == 0;
	const struct option_row *row;
	void *base;
	int r;

	if (strcmp(section, "target") == 0)
		return set_target(config, key, value, why);
	if (of_target && strcmp(key, "target") == 0)
		return set_target(config, section + 7, value, why);
	base = of_target ? config : section_base(config, section, why);
	if (!base)
		return -ENXIO;
	row = option_find(section, now ? now : key);
	if (!row) {
		unknown_key(section, key, why);
		return -EINVAL;
	}
	if (now)
		value = option_value_now(now, value);
	r = option_set(row, base, value, why);
	if (r == 0 && now)
		snprintf(why, 256,
			 "is called %s.%s now: write %s = %.60s. The old name is taken until the "
			 "next release; change it before",
			 section, now, now, value);
	return r;
}
