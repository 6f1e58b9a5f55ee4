/* A new configuration is read and validated whole, then swapped in; what did not change keeps running untouched. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "config/engine_config.h"
#include "daemon_parts.h"

static bool sensors_differ(const struct config *a, const struct config *b)
{
	return a->bpf != b->bpf || strcmp(a->gate.netns, b->gate.netns) != 0 ||
	       a->gate.enabled != b->gate.enabled || a->services != b->services ||
	       memcmp(a->service, b->service, sizeof(a->service)) != 0 ||
	       memcmp(a->interfaces, b->interfaces, sizeof(a->interfaces)) != 0 ||
	       a->nic_speed_bits_per_s != b->nic_speed_bits_per_s;
}

/* What cannot change under an open gate. */
static bool gate_differs(const struct config *a, const struct config *b)
{
	int s = config_service_index(a, a->gate.service),
	    t = config_service_index(b, b->gate.service);

	return a->gate.enabled != b->gate.enabled || s != t ||
	       strcmp(a->gate.netns, b->gate.netns) != 0 || a->gate.loopback != b->gate.loopback ||
	       strcmp(a->gate.listen.text, b->gate.listen.text) != 0 ||
	       (s >= 0 && t >= 0 &&
		memcmp(a->service[s].ports, b->service[t].ports, sizeof(a->service[s].ports)) != 0);
}

static bool endpoint_differs(const struct endpoint *a, const struct endpoint *b)
{
	return strcmp(a->text, b->text) != 0;
}

/* Swaps in a validated configuration: what did not change keeps running untouched. */
static void apply(struct daemon *d, const struct config *fresh)
{
	bool sensors = sensors_differ(&d->config, fresh);
	bool http = endpoint_differs(&d->config.http_listen, &fresh->http_listen);
	bool policy = memcmp(&d->config.policy, &fresh->policy, sizeof(fresh->policy)) != 0;
	bool gate = gate_differs(&d->config, fresh);
	struct engine_config engine;
	struct config_source_options before = d->config.sources;
	char record[CONFIG_PATH_MAX];
	uint64_t record_max_bytes = d->config.record_max_bytes;

	memcpy(record, d->config.record, sizeof(record));

	daemon_status(d); /* until the next tick the picture is of the last */
	if (sensors)
		daemon_close_sensors(d);
	if (policy)
		daemon_close_policy(d);
	if (gate)
		daemon_close_gate(d, false);
	if (http && d->http) {
		http_close(d->http);
		d->http = NULL;
	}
	d->config = *fresh;
	engine_config_from(&d->config, daemon_cores(), &engine);
	engine_configure(&d->engine, &engine);
	pace_configure(d->pace, &d->config);
	daemon_reload_sources(d, &before);
	daemon_reload_recorder(d, record, record_max_bytes);
	log_set_level(d->config.log_level);
	if (sensors)
		daemon_open_sensors(d);
	d->http_listener.retry_us = d->policy_listener.retry_us = d->gating.listener.retry_us = 0;
	daemon_reload_gate(d);
	daemon_want_listeners(d);
	daemon_open_listeners(d, clock_monotonic_us());
}

int daemon_reload(struct daemon *d, char *why)
{
	_cleanup_free_ struct config *fresh = calloc(1, sizeof(*fresh));
	_cleanup_free_ struct config_errors *errors = calloc(1, sizeof(*errors));
	int r;

	if (!fresh || !errors)
		return -ENOMEM;
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)clock_monotonic_us());
	r = config_load(d->source, fresh, errors);
	if (r == 0 && strcmp(fresh->run_dir, d->config.run_dir) != 0) {
		snprintf(why, 256, "daemon.run_dir cannot change in a running daemon: restart it");
		r = -EINVAL;
	} else if (r < 0) {
		config_error_print(&errors->error[0], why, 256);
		for (unsigned i = 0; i < errors->count && i < CONFIG_ERRORS; i++) {
			char line[640];

			config_error_print(&errors->error[i], line, sizeof(line));
			log_error("%s", line);
		}
	}
	d->reload_ok = r == 0;
	d->reloaded_us = clock_realtime_us();
	if (r == 0) {
		apply(d, fresh);
		log_notice("configuration reloaded");
	} else {
		log_error("the configuration was not reloaded, the one in force stays: %s", why);
	}
	sd_notify(0, "READY=1");
	return r;
}
