#include "publish/metrics.h"

#include <event2/buffer.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "publish/disks.h"

struct writer {
	struct evbuffer *out;
	bool openmetrics;
};

__attribute__((format(printf, 2, 3))) static void put(const struct writer *w, const char *format,
						      ...)
{
	va_list args;

	va_start(args, format);
	evbuffer_add_vprintf(w->out, format, args);
	va_end(args);
}

/* OpenMetrics names the family of a counter without its _total; the classic text with it. */
static void family(const struct writer *w, const char *name, const char *type, const char *help)
{
	size_t n = strlen(name);

	if (w->openmetrics && strcmp(type, "counter") == 0 && n > 6 &&
	    strcmp(name + n - 6, "_total") == 0)
		n -= 6;
	put(w, "# HELP %.*s %s\n# TYPE %.*s %s\n", (int)n, name, help, (int)n, name, type);
}

static void gauge(const struct writer *w, const char *name, const char *help, double value)
{
	family(w, name, "gauge", help);
	put(w, "%s %.9g\n", name, value);
}

/* A gauge that is not known is not there: absent, never 0. */
static void gauge_if_known(const struct writer *w, const char *name, const char *help, double value)
{
	if (value >= 0 && isfinite(value))
		gauge(w, name, help, value);
}

static void counter(const struct writer *w, const char *name, const char *help, uint64_t value)
{
	family(w, name, "counter", help);
	put(w, "%s %llu\n", name, (unsigned long long)value);
}

/* One of several states is 1, the others 0. */
static void one_of(const struct writer *w, const char *name, const char *label, const char *help,
		   const char *const *values, unsigned count, unsigned which)
{
	family(w, name, "gauge", help);
	for (unsigned i = 0; i < count; i++)
		put(w, "%s{%s=\"%s\"} %d\n", name, label, values[i], i == which);
}

/* The log-linear histogram of counts.h, every power of two its bucket; `unit`: events are in 1/unit seconds. */
static void histogram(const struct writer *w, const char *name, const char *help,
		      const uint64_t *slots, uint64_t sum, double unit, unsigned from, unsigned to)
{
	uint64_t count = 0;

	family(w, name, "histogram", help);
	for (unsigned i = 0; i < COUNTS_SLOTS; i++) {
		count += slots[i];
		if (i % 8 == 7 && i >= from && i <= to)
			put(w, "%s_bucket{le=\"%.9g\"} %llu\n", name,
			    (double)(counts_slot_upper(i) + 1) / unit, (unsigned long long)count);
	}
	put(w, "%s_bucket{le=\"+Inf\"} %llu\n%s_sum %.9g\n%s_count %llu\n", name,
	    (unsigned long long)count, name, (double)sum / unit, name, (unsigned long long)count);
}

static void runq(const struct writer *w, const struct status *s)
{
	const char *name = "penstock_runq_latency_seconds";
	uint64_t count = 0;

	if (s->runq_count == 0)
		return;
	family(w, name, "histogram", "Time that tasks which became runnable waited for a CPU.");
	for (unsigned i = 0; i < 24; i++) {
		count += s->runq_slots[i];
		put(w, "%s_bucket{le=\"%.9g\"} %llu\n", name, (double)(1ull << i) / 1e6,
		    (unsigned long long)count);
	}
	for (unsigned i = 24; i < 32; i++)
		count += s->runq_slots[i];
	put(w, "%s_bucket{le=\"+Inf\"} %llu\n%s_sum %.9g\n%s_count %llu\n", name,
	    (unsigned long long)count, name, (double)s->runq_sum_us / 1e6, name,
	    (unsigned long long)count);
}

static void levels(const struct writer *w, const struct status *s)
{
	static const char *const modes[] = { "enforce", "observe" };
	const char *states[STATE__COUNT];

	for (int i = 0; i < STATE__COUNT; i++)
		states[i] = engine_state_name((enum engine_state)i);
	gauge(w, "penstock_level", "0 normal, 1 elevated, 2 shedding, 3 severe, 4 critical.",
	      s->view.level.number);
	one_of(w, "penstock_state", "state", "What penstock is doing.", states, STATE__COUNT,
	       s->view.state);
	one_of(w, "penstock_mode", "mode", "Whether verdicts are enforced.", modes, 2,
	       s->view.mode == PLAN_OBSERVE);
	family(w, "penstock_level_changes_total", "counter", "Entries into each level.");
	for (int i = 0; i < LEVEL__COUNT; i++)
		put(w, "penstock_level_changes_total{level=\"%s\"} %llu\n",
		    level_name((enum level_number)i), (unsigned long long)s->view.level.changes[i]);
}

static void pressures(const struct writer *w, const struct status *s)
{
	const struct pressure *p = &s->view.pressure;

	family(w, "penstock_pressure_ratio", "gauge",
	       "Largest signal of a resource by its target; 1 is the objective just met.");
	for (int r = 0; r < RESOURCE__COUNT; r++)
		if (p->known[r])
			put(w, "penstock_pressure_ratio{resource=\"%s\"} %.6g\n",
			    resource_name((enum resource)r), p->resource[r]);
	if (p->any_known)
		put(w, "penstock_pressure_ratio{resource=\"all\"} %.6g\n", p->combined);
	family(w, "penstock_signal", "gauge",
	       "Every signal that is known now, in base units: seconds, bytes, ratios.");
	for (int i = 0; i < SIGNAL__COUNT; i++)
		if (sample_has(&s->sample, (enum signal)i))
			put(w, "penstock_signal{resource=\"%s\",signal=\"%s\"} %.9g\n",
			    resource_name(signal_info[i].resource), signal_info[i].name,
			    signal_info[i].unit == UNIT_US ? s->sample.value[i] / 1e6
							   : s->sample.value[i]);
	family(w, "penstock_neighbour_share_ratio", "gauge",
	       "Share of a resource, of what is not the mail server's, that the control group with most of it has.");
	for (int r = 0; r < NEIGHBOUR_RESOURCES; r++)
		if (s->neighbours.who[r].known)
			put(w, "penstock_neighbour_share_ratio{resource=\"%s\"} %.6g\n",
			    resource_name((enum resource)r), s->neighbours.who[r].share);
	gauge(w, "penstock_foreign_pressure",
	      "1 while pressure is a neighbour's and refusing mail would not lower it.",
	      s->view.foreign);
}

static double busy(const struct status *s)
{
	double sum = -1;

	for (unsigned i = 0; i < s->config->services; i++)
		if (s->load.service[i].known & LOAD_BUSY)
			sum = fmax(sum, 0) + s->load.service[i].busy;
	return sum;
}

static double capacity(const struct status *s)
{
	double sum = -1;

	for (unsigned i = 0; i < s->config->services; i++)
		if (s->view.window[i].capacity_per_s >= 0)
			sum = fmax(sum, 0) + s->view.window[i].capacity_per_s;
	return sum;
}

static double server_time(const struct status *s)
{
	double most = -1;

	for (unsigned i = 0; i < s->config->services; i++)
		most = fmax(most, s->view.window[i].server_time_s);
	return most;
}

static void windows(const struct writer *w, const struct status *s)
{
	struct counts_service total = { 0 };

	for (int i = 0; i < PLAN_SERVICES; i++)
		counts_add(&total, &s->total[i]);
	gauge_if_known(w, "penstock_window_sessions",
		       "SMTP sessions that the machine can carry now.", floor(s->view.window_sum));
	gauge_if_known(w, "penstock_window_max_sessions",
		       "Hard limit of the window from memory and slots.",
		       floor(s->view.window_max_sum));
	gauge_if_known(w, "penstock_in_flight_sessions",
		       "Admitted sessions that the mail server has not closed.", s->view.in_flight);
	gauge_if_known(w, "penstock_busy_sessions",
		       "Sessions in which the mail server owes an answer.", busy(s));
	gauge(w, "penstock_admit_ratio",
	      "Share of the offered connections that is admitted, lately.", s->view.admit_ratio);
	gauge_if_known(w, "penstock_server_time_seconds",
		       "T: busy sessions by completions a second.", server_time(s));
	gauge_if_known(w, "penstock_capacity_sessions_per_second",
		       "Completions a second that the machine has shown to sustain.", capacity(s));
	histogram(w, "penstock_connect_to_220_seconds",
		  "From connection to the mail server's greeting, as the fronts see it.",
		  total.connect_220, total.connect_220_sum_us, 1e6, 55, 215);
}

static void decisions(const struct writer *w, const struct status *s)
{
	struct status_front f;

	family(w, "penstock_decisions_total", "counter",
	       "Verdicts by front and reason; would_defer: observe mode, admitted all the same.");
	for (unsigned i = 0; i < status_front_named(s, i, &f); i++) {
		for (int r = 0; r < REASON__COUNT; r++) {
			if (f.sum.admitted_by[r] || r == REASON_NONE)
				put(w,
				    "penstock_decisions_total{front=\"%s\",verdict=\"admit\",reason=\"%s\"} %llu\n",
				    f.name, reason_name((enum reason)r),
				    (unsigned long long)f.sum.admitted_by[r]);
			if (f.sum.deferred_by[r] || r <= REASON_SMTP)
				put(w,
				    "penstock_decisions_total{front=\"%s\",verdict=\"defer\",reason=\"%s\"} %llu\n",
				    f.name, reason_name((enum reason)r),
				    (unsigned long long)f.sum.deferred_by[r]);
		}
	}
	family(w, "penstock_would_defer_total", "counter",
	       "Connections that were admitted in observe mode and that enforcing would have deferred.");
	for (unsigned i = 0; i < status_front_named(s, i, &f); i++)
		put(w, "penstock_would_defer_total{front=\"%s\"} %llu\n", f.name,
		    (unsigned long long)f.sum.would_defer);
	family(w, "penstock_refused_told_total", "counter",
	       "Refused clients to whom the reply went out; the policy service's are told by the mail server.");
	for (unsigned i = 0; i < status_front_named(s, i, &f); i++)
		put(w, "penstock_refused_told_total{front=\"%s\"} %llu\n", f.name,
		    (unsigned long long)f.sum.refused_told);
	family(w, "penstock_refused_lingering_clients", "gauge",
	       "Refused clients that have not said QUIT yet.");
	for (unsigned i = 0; i < status_front_named(s, i, &f); i++)
		put(w, "penstock_refused_lingering_clients{front=\"%s\"} %llu\n", f.name,
		    (unsigned long long)f.sum.refused_lingering);
	family(w, "penstock_front_up", "gauge", "Whether a front that is configured answers.");
	for (unsigned i = 0; i < status_front_named(s, i, &f); i++)
		put(w, "penstock_front_up{front=\"%s\"} %d\n", f.name, f.up);
	family(w, "penstock_front_errors_total", "counter",
	       "Failures of a front itself: descriptors, memory, backend.");
	for (unsigned i = 0; i < status_front_named(s, i, &f); i++)
		put(w, "penstock_front_errors_total{front=\"%s\"} %llu\n", f.name,
		    (unsigned long long)f.errors);
	counter(w, "penstock_malformed_requests_total",
		"Requests to a front that could not be read.", s->malformed);
	histogram(w, "penstock_decision_duration_seconds", "What one verdict took.", s->decisions,
		  s->decision_sum_ns, 1e9, 31, 215);
}

/* Sources admitted after a wait, by its length. */
static void deferral_ages(const struct writer *w, const struct source_stats *x)
{
	uint64_t sum = 0;

	family(w, "penstock_deferral_age_seconds", "histogram",
	       "How long sources had waited when they were admitted.");
	for (unsigned i = 0; i < SOURCE_AGES - 1; i++) {
		sum += x->ages[i];
		if (i <= 20) /* 120 s to 34 h */
			put(w, "penstock_deferral_age_seconds_bucket{le=\"%llu\"} %llu\n",
			    (unsigned long long)source_age_upper(i), (unsigned long long)sum);
	}
	put(w, "penstock_deferral_age_seconds_bucket{le=\"+Inf\"} %llu\n",
	    (unsigned long long)x->age_count);
	put(w, "penstock_deferral_age_seconds_sum %.9g\npenstock_deferral_age_seconds_count %llu\n",
	    x->age_sum_s, (unsigned long long)x->age_count);
}

static void sources(const struct writer *w, const struct status *s)
{
	const struct source_stats *x = &s->sources;

	if (!s->sources_known)
		return;
	gauge(w, "penstock_sources_tracked", "Sources in the ledger.", (double)x->tracked);
	gauge(w, "penstock_sources_room", "Sources that the ledger has room for.",
	      (double)x->capacity);
	gauge(w, "penstock_sources_waiting", "Sources that were deferred and still retry.",
	      (double)x->waiting);
	gauge(w, "penstock_oldest_deferral_seconds", "The longest of their waits, 0: nobody waits.",
	      (double)x->oldest_s);
	deferral_ages(w, x);
	gauge(w, "penstock_bound_infeasible",
	      "1: more is due by longest_deferral and longest_attempts than there is capacity for.",
	      x->infeasible);
	gauge(w, "penstock_waited_a_day", "1: a source has waited for 24 h.", x->day);
	counter(w, "penstock_promised_attempts_total",
		"Attempts that the promise to deferred sources covered.", x->promised);
	counter(w, "penstock_broken_promises_total",
		"Such attempts that were deferred all the same.", x->broken);
	counter(w, "penstock_sources_evicted_total",
		"Sources forgotten for lack of room: source.ledger_size.", x->evicted);
	counter(w, "penstock_source_events_lost_total",
		"Verdicts of fronts that the table of sources did not hear of.",
		s->source_events_lost);
	gauge_if_known(w, "penstock_source_fair_rate",
		       "Seconds of service a second that one source may have; absent: no bound.",
		       x->fair_rate);
	gauge(w, "penstock_ledger_written", "1: the ledger is kept in the state directory.",
	      s->ledger_error == 0);
}

static void health(const struct writer *w, const struct status *s, uint64_t now_us)
{
	family(w, "penstock_sensor_up", "gauge", "Whether a sensor is in use.");
	for (unsigned i = 0; i < s->sensors; i++)
		put(w, "penstock_sensor_up{sensor=\"%s\"} %d\n", s->sensor[i].name,
		    s->sensor[i].state == SENSOR_OK);
	family(w, "penstock_sensor_errors_total", "counter", "Failed readings of a sensor.");
	for (unsigned i = 0; i < s->sensors; i++)
		put(w, "penstock_sensor_errors_total{sensor=\"%s\"} %llu\n", s->sensor[i].name,
		    (unsigned long long)s->sensor[i].errors);
	family(w, "penstock_sensor_cpu_seconds_total", "counter",
	       "CPU time that a sensor's readings took.");
	for (unsigned i = 0; i < s->sensors; i++)
		put(w, "penstock_sensor_cpu_seconds_total{sensor=\"%s\"} %.9g\n", s->sensor[i].name,
		    (double)s->sensor[i].cost_ns / 1e9);
	family(w, "penstock_sensor_interval_seconds", "gauge",
	       "Time between readings of a sensor: longer for one that costs more.");
	for (unsigned i = 0; i < s->sensors; i++)
		if (s->sensor[i].polls)
			put(w, "penstock_sensor_interval_seconds{sensor=\"%s\"} %.9g\n",
			    s->sensor[i].name,
			    fmax((double)s->sensor[i].interval_us, (double)s->config->tick_us) /
				    1e6);
	gauge(w, "penstock_config_last_reload_successful",
	      "Whether the last reading of the configuration was taken over.", s->reload_ok);
	gauge(w, "penstock_heartbeat_age_seconds", "Age of the last completed tick.",
	      now_us > s->now_us ? (double)(now_us - s->now_us) / 1e6 : 0);
	histogram(w, "penstock_tick_duration_seconds", "What a tick took.", s->tick_durations,
		  s->tick_sum_us, 1e6, 39, 175);
	histogram(w, "penstock_tick_lateness_seconds",
		  "How late the daemon woke for a tick: its own wait for a CPU.", s->lateness,
		  s->lateness_sum_us, 1e6, 39, 175);
	counter(w, "penstock_ticks_early_total",
		"Ticks that came before their time because the kernel told of stalls (PSI).",
		s->ticks_early);
	counter(w, "penstock_ticks_late_total", "Ticks that came more than one interval late.",
		s->ticks_late);
	counter(w, "penstock_log_dropped_total", "Log lines lost because the queue was full.",
		s->log_dropped);
	family(w, "penstock_build_info", "gauge", "The version that runs.");
	put(w, "penstock_build_info{version=\"%s\"} 1\n", s->version);
}

void metrics_render(const struct status *status, uint64_t now_us, bool openmetrics,
		    struct evbuffer *out)
{
	struct writer w = { out, openmetrics };

	levels(&w, status);
	pressures(&w, status);
	windows(&w, status);
	decisions(&w, status);
	sources(&w, status);
	runq(&w, status);
	disks_metrics(&status->disks, out);
	health(&w, status, now_us);
	if (openmetrics)
		put(&w, "# EOF\n");
}
