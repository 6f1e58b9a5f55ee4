#include "publish/json.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "publish/faults.h"
#include "publish/disks.h"
#include "publish/headline.h"
#include "publish/json_fleet.h"
#include "publish/json_neighbours.h"
#include "publish/json_number.h"
#include "publish/json_service.h"
#include "publish/json_sources.h"
#include "publish/words.h"

static json_t *resource_json(const struct status *s, enum resource r)
{
	const struct pressure *p = &s->view.pressure;
	json_t *object = json_object(), *signals = json_object();

	for (int i = 0; i < SIGNAL__COUNT; i++) {
		json_t *signal;
		double target = s->config.target[i];

		if (signal_info[i].resource != r || !sample_has(&s->sample, (enum signal)i))
			continue;
		signal = json_object();
		json_object_set_new(signal, "value",
				    json_number(words_shown((enum signal)i, s->sample.value[i])));
		if (target > 0) {
			json_object_set_new(signal, "target", json_number(target));
			json_object_set_new(signal, "pressure", json_number(p->signal[i]));
		}
		json_object_set_new(signal, "via",
				    json_string(via_name((enum via)s->sample.via[i])));
		json_object_set_new(signals, signal_info[i].name, signal);
	}
	json_object_set_new(object, "known", json_boolean(p->known[r]));
	if (p->known[r]) {
		json_object_set_new(object, "pressure", json_number(p->resource[r]));
		if (p->resource_driver[r] < SIGNAL__COUNT)
			json_object_set_new(object, "driver",
					    json_string(signal_info[p->resource_driver[r]].name));
	} else {
		json_object_set_new(object, "reason",
				    json_string("no sensor gives a signal of it, see \"sensors\""));
	}
	json_object_set_new(object, "signals", signals);
	return object;
}

static void set_by_reason(json_t *object, const char *key, const uint64_t *by)
{
	json_t *reasons = json_object();

	for (int i = 0; i < REASON__COUNT; i++)
		if (by[i])
			json_object_set_new(reasons, reason_name((enum reason)i),
					    json_integer((json_int_t)by[i]));
	json_object_set_new(object, key, reasons);
}

static json_t *front_json(const struct status_front *f)
{
	json_t *object = json_object();

	json_object_set_new(object, "up", json_boolean(f->up));
	if (!f->up)
		json_object_set_new(object, "reason", json_string(f->why));
	if (f->pid)
		json_object_set_new(object, "pid", json_integer((json_int_t)f->pid));
	json_object_set_new(object, "admitted", json_integer((json_int_t)f->sum.admitted));
	json_object_set_new(object, "deferred", json_integer((json_int_t)f->sum.deferred));
	json_object_set_new(object, "would_defer", json_integer((json_int_t)f->sum.would_defer));
	json_object_set_new(object, "lingering",
			    json_integer((json_int_t)f->sum.refused_lingering));
	json_object_set_new(object, "told", json_integer((json_int_t)f->sum.refused_told));
	json_object_set_new(object, "reset", json_integer((json_int_t)f->sum.refused_reset));
	json_object_set_new(object, "postponed", json_integer((json_int_t)f->sum.postponed));
	json_object_set_new(object, "malformed", json_integer((json_int_t)f->malformed));
	json_object_set_new(object, "errors", json_integer((json_int_t)f->errors));
	return object;
}

static json_t *decisions_json(const struct status *s)
{
	struct counts_service total = { 0 };
	struct status_front f;
	json_t *object = json_object(), *fronts = json_object();

	for (int i = 0; i < PLAN_SERVICES; i++)
		counts_add(&total, &s->total[i]);
	json_object_set_new(object, "admitted", json_integer((json_int_t)total.admitted));
	json_object_set_new(object, "deferred", json_integer((json_int_t)total.deferred));
	json_object_set_new(object, "would_defer", json_integer((json_int_t)total.would_defer));
	json_object_set_new(object, "would_hold", json_integer((json_int_t)total.would_hold));
	set_by_reason(object, "by_reason", total.deferred_by);
	set_by_reason(object, "admitted_by_reason", total.admitted_by);
	for (unsigned i = 0; i < status_front_named(s, i, &f); i++)
		json_object_set_new(fronts, f.name, front_json(&f));
	json_object_set_new(object, "by_front", fronts);
	return object;
}

static json_t *sensors_json(const struct status *s)
{
	json_t *object = json_object();

	for (unsigned i = 0; i < s->sensors; i++) {
		const struct sensor_status *sensor = &s->sensor[i];
		json_t *one = json_object();

		json_object_set_new(one, "state", json_string(sensor_state_name(sensor->state)));
		if (sensor->why[0])
			json_object_set_new(one, "reason", json_string(sensor->why));
		json_object_set_new(one, "errors", json_integer((json_int_t)sensor->errors));
		if (sensor->polls) {
			double interval_us =
				fmax((double)sensor->interval_us, (double)s->config.tick_us);

			json_object_set_new(one, "interval_ms", json_number(interval_us / 1e3));
			json_object_set_new(one, "cost_us_per_s",
					    json_number(sensor->cost_us * 1e6 / interval_us));
		}
		json_object_set_new(object, sensor->name, one);
	}
	return object;
}

/* Whether the daemon itself gets CPU in time. */
static json_t *ticks_json(const struct status *s)
{
	static const uint64_t none[COUNTS_SLOTS];
	double p99 = counts_quantile(s->lateness, none, 0.99);
	json_t *object = json_object();

	json_object_set_new(object, "lateness_p99_us", p99 < 0 ? json_null() : json_number(p99));
	json_object_set_new(object, "late", json_integer((json_int_t)s->ticks_late));
	json_object_set_new(object, "early", json_integer((json_int_t)s->ticks_early));
	json_object_set_new(object, "triggers", json_string(s->triggers));
	json_object_set_new(object, "scheduling", json_string(s->scheduling));
	return object;
}

static void set_level(json_t *object, const struct status *s)
{
	const struct pressure *p = &s->view.pressure;
	char when[32];
	json_t *driver = json_null();

	json_object_set_new(object, "mode",
			    json_string(s->view.mode == PLAN_OBSERVE ? "observe" : "enforce"));
	json_object_set_new(object, "state", json_string(engine_state_name(s->view.state)));
	json_object_set_new(object, "level", json_integer(s->view.level.number));
	json_object_set_new(object, "level_name", json_string(level_name(s->view.level.number)));
	json_object_set_new(object, "since",
			    json_string(words_time(s->level_since_realtime_us, when)));
	json_object_set_new(object, "pressure",
			    p->any_known ? json_number(p->combined) : json_null());
	if (p->driver < RESOURCE__COUNT && p->driver_signal < SIGNAL__COUNT)
		driver = json_pack("{s:s, s:s}", "resource", resource_name(p->driver), "signal",
				   signal_info[p->driver_signal].name);
	json_object_set_new(object, "driver", driver);
}

json_t *json_change(const struct status *s)
{
	json_t *object = json_object();
	char when[32];

	json_object_set_new(object, "at", json_string(words_time(s->realtime_us, when)));
	set_level(object, s);
	return object;
}

static void set_order(json_t *object, const struct status *s)
{
	char when[32];

	if (s->view.state != STATE_DRAINING && s->view.state != STATE_MAINTENANCE)
		return;
	json_object_set_new(object, "order_reason", json_string(s->view.order_reason));
	if (s->view.order_until_us)
		json_object_set_new(object, "order_until",
				    json_string(words_time(s->view.order_until_us, when)));
}

static json_t *span_json(const struct maintenance_span *span)
{
	json_t *object = json_object();
	char when[32];

	json_object_set_new(object, "begin",
			    json_string(words_time((uint64_t)span->begin_s * US_PER_S, when)));
	json_object_set_new(object, "end",
			    json_string(words_time((uint64_t)span->end_s * US_PER_S, when)));
	json_object_set_new(object, "reason", json_string(span->text));
	return object;
}

/* Planned maintenance; null: none is configured. */
static json_t *maintenance_json(const struct maintenance_view *m)
{
	json_t *object;

	if (!m->windows)
		return json_null();
	object = json_object();
	json_object_set_new(object, "windows", json_integer(m->windows));
	json_object_set_new(object, "now", m->now.end_s ? span_json(&m->now) : json_null());
	json_object_set_new(object, "next", m->next.end_s ? span_json(&m->next) : json_null());
	if (m->why[0])
		json_object_set_new(object, "problem", json_string(m->why));
	return object;
}

/* Never absent: an unknown value is null. */
static json_t *headline_json(const struct status *s)
{
	struct headline h;
	json_t *object = json_object();
	char when[32];

	headline_tell(s, &h);
	json_object_set_new(object, "state", json_string(headline_name(h.kind)));
	json_object_set_new(object, "sentence", json_string(h.sentence));
	json_object_set_new(object, "driver", h.driver[0] ? json_string(h.driver) : json_null());
	json_object_set_new(object, "signal", h.signal[0] ? json_string(h.signal) : json_null());
	json_object_set_new(object, "pressure", json_number_or_null(h.pressure));
	json_object_set_new(object, "reason", json_string(reason_name(h.reason)));
	json_object_set_new(object, "deferred_ratio", json_number(h.deferred_ratio));
	json_object_set_new(object, "since",
			    h.since_us ? json_string(words_time(h.since_us, when)) : json_null());
	json_object_set_new(object, "advice", h.advice[0] ? json_string(h.advice) : json_null());
	return object;
}

static json_t *outlet_json(const struct status_outlet *o)
{
	return o->wanted ? json_pack("{s:b, s:I}", "up", o->up, "restarts", (json_int_t)o->restarts)
			 : json_null();
}

/* The files of the configuration; null: this reader may not see them. */
static json_t *origin_json(const struct config *config)
{
	const struct config_origin *o = &config->origin;
	const char *line = o->overrides;
	json_t *overrides;

	if (!o->known)
		return json_null();
	overrides = json_array();
	while (*line) {
		size_t length = strcspn(line, "\n");

		json_array_append_new(overrides, json_stringn(line, length));
		line += length + 1;
	}
	return json_pack("{s:s, s:o, s:b, s:s}", "file", o->file, "overrides", overrides,
			 "overrides_cut", o->overrides_cut, "state_dir", config->state_dir);
}

json_t *json_status(const struct status *s)
{
	json_t *object = json_object(), *resources = json_object(), *services = json_object();
	char when[32];

	json_object_set_new(object, "version", json_string(s->version));
	json_object_set_new(object, "headline", headline_json(s));
	set_level(object, s);
	set_order(object, s);
	json_object_set_new(object, "maintenance", maintenance_json(&s->maintenance));
	json_object_set_new(object, "at", json_string(words_time(s->realtime_us, when)));
	json_object_set_new(object, "started", json_string(words_time(s->started_us, when)));
	json_object_set_new(object, "window", json_number_or_null(status_window(s)));
	json_object_set_new(object, "window_max",
			    json_number_or_null(words_window(s->view.window_max_sum)));
	json_object_set_new(object, "in_flight", json_number_or_null(s->view.in_flight));
	json_object_set_new(object, "admit_ratio", json_number(s->view.admit_ratio));
	json_object_set_new(object, "would_defer_ratio", json_number(s->view.would_defer_ratio));
	json_object_set_new(object, "demand_ratio", json_number_or_null(s->view.demand_ratio));
	json_object_set_new(object, "foreign_pressure", json_boolean(s->view.foreign));
	json_set_neighbours(object, s);
	for (int r = 0; r < RESOURCE__COUNT; r++)
		json_object_set_new(resources, resource_name((enum resource)r),
				    resource_json(s, (enum resource)r));
	json_object_set_new(object, "resources", resources);
	for (unsigned i = 0; i < s->config.services; i++)
		json_object_set_new(services, s->config.service[i].name, json_service(s, i));
	json_object_set_new(object, "services", services);
	json_object_set_new(object, "decisions", decisions_json(s));
	json_object_set_new(object, "faults", faults_json(s));
	json_object_set_new(object, "disks", disks_json(&s->disks));
	json_object_set_new(object, "sources", json_sources(s));
	json_object_set_new(object, "fleet", json_fleet(s));
	json_object_set_new(object, "sensors", sensors_json(s));
	json_object_set_new(object, "bpf",
			    s->bpf_why[0] ? json_pack("{s:b, s:s}", "used", 0, "reason", s->bpf_why)
					  : json_pack("{s:b}", "used", 1));
	json_object_set_new(object, "state_dir",
			    s->state_error ? json_pack("{s:b, s:s}", "written", 0, "reason",
						       strerror(s->state_error))
					   : json_pack("{s:b}", "written", 1));
	json_object_set_new(object, "shutdown_notice",
			    s->shutdown_why[0]
				    ? json_pack("{s:b, s:s}", "used", 0, "reason", s->shutdown_why)
				    : json_pack("{s:b}", "used", 1));
	json_object_set_new(object, "http", outlet_json(&s->http));
	json_object_set_new(object, "control", outlet_json(&s->control));
	json_object_set_new(object, "ticks", ticks_json(s));
	json_object_set_new(object, "log_dropped", json_integer((json_int_t)s->log_dropped));
	json_object_set_new(object, "config",
			    json_pack("{s:b, s:s, s:s, s:o}", "last_reload_successful",
				      s->reload_ok, "mode",
				      s->config.mode == PLAN_OBSERVE ? "observe" : "enforce",
				      "loaded", words_time(s->reloaded_realtime_us, when), "origin",
				      origin_json(&s->config)));
	return object;
}
