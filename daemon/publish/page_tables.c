/* The tables of the page. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/duration.h"
#include "base/text.h"
#include "publish/page_parts.h"
#include "publish/words.h"

void page_set(json_t *object, const char *key, const char *format, ...)
{
	char buffer[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(buffer, sizeof(buffer), format, args);
	va_end(args);
	json_object_set_new(object, key, json_string(buffer));
}

static void set_value(json_t *object, const char *key, enum unit unit, double value)
{
	char buffer[64] = "";
	struct text text = TEXT_OF(buffer);

	words_value(&text, unit, value);
	page_set(object, key, "%s", buffer);
}

static void set_signal(json_t *object, const char *key, enum signal signal, double value)
{
	char buffer[64] = "";
	struct text text = TEXT_OF(buffer);

	words_signal(&text, signal, value);
	page_set(object, key, "%s", buffer);
}

static void set_services(json_t *page, const struct status *s)
{
	json_t *services = json_array();

	for (unsigned i = 0; i < s->config.services; i++) {
		const struct window_view *w = &s->view.window[i];
		const struct load_service *l = &s->load.service[i];
		json_t *one = json_object();

		page_set(one, "name", "%s", s->config.service[i].name);
		set_value(one, "offered", UNIT_PER_S, w->offered_per_s);
		set_value(one, "admitted", UNIT_PER_S, w->admitted_per_s);
		set_value(one, "deferred", UNIT_PER_S,
			  fmax(0, w->offered_per_s - w->admitted_per_s));
		page_set(one, "law", "%s%s%s", window_law_name(w->law), w->regime ? ", " : "",
			 w->regime ? regime_name(w->regime) : "");
		if (l->known & LOAD_IN_FLIGHT)
			page_set(one, "in_flight", "%.0f", l->in_flight);
		if (w->law == LAW_OPEN)
			page_set(one, "window", "open");
		else
			page_set(one, "window", "%.0f", words_window(w->window));
		if (l->known & LOAD_HELD)
			page_set(one, "held", "%.0f", l->held);
		if (w->server_time_s > 0)
			set_signal(one, "server_time", SIGNAL_SERVER_TIME_US,
				   w->server_time_s * 1e6);
		json_array_append_new(services, one);
	}
	json_object_set_new(page, "services", services);
}

/* The last row is not a resource but the demand on all of them. */
static json_t *demand_row(const struct engine_view *view)
{
	json_t *one = json_object();

	page_set(one, "name", "demand");
	if (view->demand_ratio < 0)
		return one;
	json_object_set_new(one, "known", json_true());
	page_set(one, "value", "%.2f", view->demand_ratio);
	page_set(one, "signal", "demand_ratio");
	page_set(one, "help", "offered connections divided by the capacity");
	return one;
}

static void set_resources(json_t *page, const struct status *s)
{
	const struct pressure *p = &s->view.pressure;
	json_t *resources = json_array();

	for (int r = 0; r < RESOURCE__COUNT; r++) {
		enum signal driver = p->resource_driver[r];
		json_t *one = json_object();

		page_set(one, "name", "%s", resource_name((enum resource)r));
		if (p->known[r]) {
			json_object_set_new(one, "known", json_true());
			page_set(one, "value", "%.2f", p->resource[r]);
		}
		if (p->known[r] && driver < SIGNAL__COUNT) {
			page_set(one, "signal", "%s", signal_info[driver].name);
			set_signal(one, "reading", driver, s->sample.value[driver]);
			page_set(one, "help", "%s (via %s)", signal_info[driver].help,
				 via_name((enum via)s->sample.via[driver]));
		}
		json_array_append_new(resources, one);
	}
	json_array_append_new(resources, demand_row(&s->view));
	json_object_set_new(page, "resources", resources);
}

static void set_fronts(json_t *page, const struct status *s)
{
	json_t *fronts = json_array();
	struct status_front f;

	for (unsigned i = 0; i < status_front_named(s, i, &f); i++) {
		char buffer[512] = "";
		struct text reasons = TEXT_OF(buffer);
		json_t *one = json_object();

		for (int r = 0; r < REASON__COUNT; r++)
			if (f.sum.deferred_by[r])
				text_append(&reasons, "%s%s %llu", reasons.length ? ", " : "",
					    reason_name((enum reason)r),
					    (unsigned long long)f.sum.deferred_by[r]);
		page_set(one, "name", "%s", f.name);
		page_set(one, "state", "%s%s", f.up ? "up" : "down: ", f.up ? "" : f.why);
		page_set(one, "state_class", f.up ? "up" : "down");
		page_set(one, "admitted", "%llu", (unsigned long long)f.sum.admitted);
		page_set(one, "deferred", "%llu", (unsigned long long)f.sum.deferred);
		page_set(one, "reasons", "%s", buffer);
		json_array_append_new(fronts, one);
	}
	if (json_array_size(fronts))
		json_object_set_new(page, "fronts_any", json_true());
	json_object_set_new(page, "fronts", fronts);
}

static json_t *host_line(const struct fleet_line *line)
{
	const struct fleet_host *host = &line->host;
	json_t *one = json_object();
	char age[DURATION_PRINTED];

	page_set(one, "name", "%s", host->name);
	if (line->age_s > FLEET_SILENT_S) {
		page_set(one, "level", "silent for %s", duration_print(line->age_s, age));
		return one;
	}
	page_set(one, "level", "%s", level_name(host->level));
	if (host->state < STATE__COUNT)
		page_set(one, "state", "%s", engine_state_name((enum engine_state)host->state));
	if (host->window < 0)
		page_set(one, "window", "open");
	else
		page_set(one, "window", "%d", host->window);
	page_set(one, "in_flight", "%u", host->in_flight);
	if (host->demand >= 0)
		page_set(one, "demand", "%.0f %%", 100 * (double)host->demand);
	return one;
}

static void set_fleet(json_t *page, const struct status *s)
{
	json_t *fleet, *hosts;

	if (!s->fleet.enabled)
		return;
	fleet = json_object();
	hosts = json_array();
	if (!s->fleet.connected)
		page_set(fleet, "alone", "%s", s->fleet.why);
	for (unsigned i = 0; i < s->fleet.hosts; i++)
		json_array_append_new(hosts, host_line(&s->fleet.host[i]));
	json_object_set_new(fleet, "hosts", hosts);
	json_object_set_new(page, "fleet", fleet);
}

bool page_sensor_fails(const struct sensor_status *sensor)
{
	return sensor->state == SENSOR_FAILING || sensor->state == SENSOR_QUARANTINED;
}

static void set_sensors(json_t *page, const struct status *s)
{
	unsigned count[SENSOR_STATES] = { 0 }, failing;
	json_t *sensors = json_array();

	for (unsigned i = 0; i < s->sensors; i++) {
		json_t *one = json_object();

		count[s->sensor[i].state]++;
		page_set(one, "name", "%s", s->sensor[i].name);
		page_set(one, "state", "%s", sensor_state_name(s->sensor[i].state));
		page_set(one, "signals", "%u", s->sensor[i].signals);
		page_set(one, "why", "%s", s->sensor[i].why);
		json_array_append_new(sensors, one);
	}
	failing = count[SENSOR_FAILING] + count[SENSOR_QUARANTINED];
	if (failing)
		json_object_set_new(page, "sensors_open", json_true());
	page_set(page, "sensors_say", "%u work, %u fail, %u are not on this machine",
		 count[SENSOR_OK], failing, count[SENSOR_SKIPPED]);
	json_object_set_new(page, "sensors", sensors);
}

void page_tables(json_t *page, const struct status *s)
{
	set_services(page, s);
	set_resources(page, s);
	set_fronts(page, s);
	set_fleet(page, s);
	set_sensors(page, s);
}
