#include "publish/metrics.h"

#include <event2/buffer.h>
#include <math.h>
#include <string.h>

#include "base/array.h"
#include "publish/disks.h"
#include "publish/metric_writer.h"
#include "publish/metrics_services.h"
#include "publish/words.h"

static double bound_ns(unsigned slot)
{
	return (double)(counts_slot_upper(slot) + 1) / 1e9;
}

static double bound_power(unsigned slot)
{
	return (double)(1ull << slot) / 1e6;
}

static double bound_age(unsigned slot)
{
	return (double)source_age_upper(slot);
}

static void maintenance(struct metric_writer *w, const struct maintenance_view *m)
{
	const struct maintenance_span *span = m->now.end_s ? &m->now : &m->next;

	if (!span->end_s)
		return;
	metric_put(w, METRIC_MAINTENANCE_BEGIN, (double)span->begin_s, NO_MORE);
	metric_put(w, METRIC_MAINTENANCE_END, (double)span->end_s, NO_MORE);
}

static void levels(struct metric_writer *w, const struct status *s)
{
	static const char *const modes[] = { "enforce", "observe" };
	const char *states[STATE__COUNT];

	for (int i = 0; i < STATE__COUNT; i++)
		states[i] = engine_state_name((enum engine_state)i);
	metric_put(w, METRIC_LEVEL, s->view.level.number, NO_MORE);
	metric_put_states(w, METRIC_STATE, NULL, NULL,
			  &(struct metric_states){ "state", states, STATE__COUNT, s->view.state });
	metric_put_states(w, METRIC_MODE, NULL, NULL,
			  &(struct metric_states){ "mode", modes, ARRAY_SIZE(modes),
						   s->view.mode == PLAN_OBSERVE });
	maintenance(w, &s->maintenance);
	for (int i = 0; i < LEVEL__COUNT; i++)
		metric_put(w, METRIC_LEVEL_CHANGES, (double)s->view.level.changes[i], "level",
			   level_name((enum level_number)i), NO_MORE);
}

/* The metric for signals of a unit, and the divisor that gives its base unit. */
static enum metric metric_of(enum unit unit, double *ret_divisor)
{
	*ret_divisor = unit == UNIT_US ? 1e6 : unit == UNIT_BITS_PER_S ? 8 : 1;
	switch (unit) {
	case UNIT_RATIO:
		return METRIC_SIGNAL_RATIO;
	case UNIT_US:
	case UNIT_S:
		return METRIC_SIGNAL_SECONDS;
	case UNIT_BYTES:
		return METRIC_SIGNAL_BYTES;
	case UNIT_BYTES_PER_S:
	case UNIT_BITS_PER_S:
		return METRIC_SIGNAL_BYTES_PER_SECOND;
	case UNIT_PER_S:
		return METRIC_SIGNAL_PER_SECOND;
	case UNIT_CORES:
		return METRIC_SIGNAL_CORES;
	case UNIT_COUNT:
		break;
	}
	return METRIC_SIGNAL_ITEMS;
}

static void signals(struct metric_writer *w, const struct status *s)
{
	static const enum metric each[] = {
		METRIC_SIGNAL_SECONDS,
		METRIC_SIGNAL_RATIO,
		METRIC_SIGNAL_BYTES,
		METRIC_SIGNAL_BYTES_PER_SECOND,
		METRIC_SIGNAL_PER_SECOND,
		METRIC_SIGNAL_CORES,
		METRIC_SIGNAL_ITEMS,
		METRIC_SIGNAL_PRESSURE,
		METRIC_SIGNAL,
	};

	for (unsigned m = 0; m < ARRAY_SIZE(each); m++)
		for (int i = 0; i < SIGNAL__COUNT; i++) {
			double divisor, value = words_shown((enum signal)i, s->sample.value[i]);
			enum metric metric = metric_of(signal_info[i].unit, &divisor);

			if (!sample_has(&s->sample, (enum signal)i))
				continue;
			value /= divisor;
			if (each[m] == METRIC_SIGNAL && signal_info[i].unit == UNIT_BITS_PER_S)
				value = s->sample.value[i]; /* not divided */
			if (each[m] == METRIC_SIGNAL_PRESSURE)
				value = s->view.pressure.target[i] > 0
						? s->sample.value[i] / s->view.pressure.target[i]
						: NAN;
			else if (each[m] != METRIC_SIGNAL && each[m] != metric)
				continue;
			metric_put(w, each[m], value, "resource",
				   resource_name(signal_info[i].resource), "signal",
				   signal_info[i].name, NO_MORE);
		}
}

static void pressures(struct metric_writer *w, const struct status *s)
{
	const struct pressure *p = &s->view.pressure;

	for (int r = 0; r < RESOURCE__COUNT; r++)
		if (p->known[r])
			metric_put(w, METRIC_PRESSURE, p->resource[r], "resource",
				   resource_name((enum resource)r), NO_MORE);
	if (p->any_known)
		metric_put(w, METRIC_PRESSURE, p->combined, "resource", "all", NO_MORE);
	signals(w, s);
	for (int r = 0; r < NEIGHBOUR_RESOURCES; r++)
		if (s->neighbours.who[r].known)
			metric_put(w, METRIC_NEIGHBOUR_SHARE, s->neighbours.who[r].share,
				   "resource", resource_name((enum resource)r), NO_MORE);
	metric_put(w, METRIC_FOREIGN, s->view.foreign, NO_MORE);
}

/* The reasons that alerts and dashboards add up. Each has a series from the start: of a series
 * that appears later, rate() does not see the first increase. */
static bool is_added_up(int reason)
{
	return reason <= REASON_SOURCE || reason == REASON_LIMIT || reason == REASON_BACKEND;
}

/* Another reason that was never given has no series. */
static void verdicts(struct metric_writer *w, enum metric metric, const char *label,
		     const char *name, const struct counts_service *c)
{
	for (int r = 0; r < REASON__COUNT; r++) {
		if (c->admitted_by[r] || r == REASON_NONE)
			metric_put(w, metric, (double)c->admitted_by[r], label, name, "verdict",
				   "admit", "reason", reason_name((enum reason)r), NO_MORE);
		if (c->deferred_by[r] || is_added_up(r))
			metric_put(w, metric, (double)c->deferred_by[r], label, name, "verdict",
				   "defer", "reason", reason_name((enum reason)r), NO_MORE);
	}
}

static double of_front(const struct status_front *f, enum metric metric)
{
	switch (metric) {
	case METRIC_WOULD_DEFER:
		return (double)f->sum.would_defer;
	case METRIC_REFUSED_TOLD:
		return (double)f->sum.refused_told;
	case METRIC_REFUSED_RESET:
		return (double)f->sum.refused_reset;
	case METRIC_POSTPONED:
		return (double)f->sum.postponed;
	case METRIC_REFUSED_LINGERING:
		return (double)f->sum.refused_lingering;
	case METRIC_FRONT_UP:
		return f->up;
	case METRIC_FRONT_ERRORS:
		return (double)f->errors;
	default:
		return NAN;
	}
}

static void per_front(struct metric_writer *w, const struct status *s, enum metric metric)
{
	struct status_front f;

	for (unsigned i = 0; i < status_front_named(s, i, &f); i++)
		metric_put(w, metric, of_front(&f, metric), "front", f.name, NO_MORE);
}

static void decisions(struct metric_writer *w, const struct status *s)
{
	struct metric_histogram h = {
		s->decisions, COUNTS_SLOTS, bound_ns, 31, 215, 8, (double)s->decision_sum_ns / 1e9
	};
	struct status_front f;

	for (unsigned i = 0; i < s->config.services; i++)
		verdicts(w, METRIC_SERVICE_DECISIONS, "service", s->config.service[i].name,
			 &s->total[i]);
	for (unsigned i = 0; i < status_front_named(s, i, &f); i++)
		verdicts(w, METRIC_DECISIONS, "front", f.name, &f.sum);
	per_front(w, s, METRIC_WOULD_DEFER);
	per_front(w, s, METRIC_REFUSED_TOLD);
	per_front(w, s, METRIC_REFUSED_RESET);
	per_front(w, s, METRIC_POSTPONED);
	per_front(w, s, METRIC_REFUSED_LINGERING);
	for (int i = 0; i < FAULT__COUNT; i++)
		metric_put(w, METRIC_FAULTS, (double)s->faults.count[i], "fault",
			   fault_name((enum fault)i), NO_MORE);
	per_front(w, s, METRIC_FRONT_UP);
	per_front(w, s, METRIC_FRONT_ERRORS);
	metric_put(w, METRIC_MALFORMED, (double)s->malformed, NO_MORE);
	metric_put_histogram(w, METRIC_DECISION_DURATION, &h, NO_MORE);
}

static void sources(struct metric_writer *w, const struct status *s)
{
	const struct source_stats *x = &s->sources;
	/* 120 s to 34 h */
	struct metric_histogram ages = { x->ages, SOURCE_AGES, bound_age, 0, 20, 1, x->age_sum_s };

	if (!s->sources_known)
		return;
	metric_put(w, METRIC_SOURCES_TRACKED, (double)x->tracked, NO_MORE);
	metric_put(w, METRIC_SOURCES_ROOM, (double)x->capacity, NO_MORE);
	metric_put(w, METRIC_SOURCES_WAITING, (double)x->deferred, NO_MORE);
	metric_put(w, METRIC_OLDEST_DEFERRAL, (double)x->oldest_s, NO_MORE);
	metric_put_histogram(w, METRIC_DEFERRAL_AGE, &ages, NO_MORE);
	metric_put(w, METRIC_INFEASIBLE, x->infeasible, NO_MORE);
	metric_put(w, METRIC_WAITED_A_DAY, x->day, NO_MORE);
	metric_put(w, METRIC_PROMISED, (double)x->promised, NO_MORE);
	metric_put(w, METRIC_BROKEN_PROMISES, (double)x->broken, NO_MORE);
	metric_put(w, METRIC_EVICTED, (double)x->evicted, NO_MORE);
	metric_put(w, METRIC_EVENTS_LOST, (double)s->source_events_lost, NO_MORE);
	metric_put_known(w, METRIC_FAIR_RATE, x->fair_rate, NO_MORE);
	metric_put(w, METRIC_LEDGER_WRITTEN, s->ledger_error == 0, NO_MORE);
}

static void fleet(struct metric_writer *w, const struct status *s)
{
	const struct fleet_view *x = &s->fleet;
	unsigned heard = 0;

	if (!x->enabled)
		return;
	for (unsigned i = 0; i < x->hosts; i++)
		heard += x->host[i].age_s <= FLEET_SILENT_S;
	metric_put(w, METRIC_FLEET_CONNECTED, x->connected, NO_MORE);
	metric_put(w, METRIC_FLEET_HOSTS, heard, NO_MORE);
	metric_put(w, METRIC_FLEET_MESSAGES, (double)x->messages_sent, "direction", "sent",
		   NO_MORE);
	metric_put(w, METRIC_FLEET_MESSAGES, (double)x->messages_read, "direction", "read",
		   NO_MORE);
	metric_put(w, METRIC_FLEET_MESSAGES, (double)x->messages_bad, "direction", "bad", NO_MORE);
	metric_put(w, METRIC_FLEET_RECORDS, (double)x->records_sent, "direction", "sent", NO_MORE);
	metric_put(w, METRIC_FLEET_RECORDS, (double)x->records_read, "direction", "read", NO_MORE);
	metric_put(w, METRIC_FLEET_RECORDS, (double)x->joined, "direction", "joined", NO_MORE);
	metric_put(w, METRIC_FLEET_RECORDS, (double)x->refused, "direction", "refused", NO_MORE);
	metric_put(w, METRIC_FLEET_RECORDS, (double)x->left_out, "direction", "left_out", NO_MORE);
	metric_put(w, METRIC_FLEET_FAILURES, (double)x->failures, NO_MORE);
	metric_put(w, METRIC_FLEET_RESTARTS, (double)x->restarts, NO_MORE);
}

static void waits(struct metric_writer *w, const struct status *s)
{
	struct metric_histogram runq = {
		s->runq_slots, 32, bound_power, 0, 23, 1, (double)s->runq_sum_us / 1e6
	};

	if (s->runq_count)
		metric_put_histogram(w, METRIC_RUNQ, &runq, NO_MORE);
	for (unsigned i = 0; i < STATUS_FSYNCS; i++) {
		struct metric_histogram h =
			metric_histogram_us(s->fsync[i].slots, s->fsync[i].sum_us, 63, 207);

		if (s->fsync[i].known)
			metric_put_histogram(w, METRIC_FSYNC, &h, "scope", i ? "spool" : "all",
					     NO_MORE);
	}
}

static double of_sensor(const struct status *s, unsigned i, enum metric metric)
{
	const struct sensor_status *sensor = &s->sensor[i];

	switch (metric) {
	case METRIC_SENSOR_UP:
		return sensor->state == SENSOR_OK;
	case METRIC_SENSOR_ERRORS:
		return (double)sensor->errors;
	case METRIC_SENSOR_CPU:
		return (double)sensor->cost_ns / 1e9;
	case METRIC_SENSOR_INTERVAL:
		return sensor->polls
			       ? fmax((double)sensor->interval_us, (double)s->config.tick_us) / 1e6
			       : NAN;
	default:
		return NAN;
	}
}

static void sensors(struct metric_writer *w, const struct status *s)
{
	static const enum metric each[] = { METRIC_SENSOR_UP, METRIC_SENSOR_ERRORS,
					    METRIC_SENSOR_CPU, METRIC_SENSOR_INTERVAL };
	const char *states[SENSOR_STATES];

	for (unsigned m = 0; m < ARRAY_SIZE(each); m++)
		for (unsigned i = 0; i < s->sensors; i++)
			metric_put(w, each[m], of_sensor(s, i, each[m]), "sensor",
				   s->sensor[i].name, NO_MORE);
	for (int i = 0; i < SENSOR_STATES; i++)
		states[i] = sensor_state_name((enum sensor_state)i);
	for (unsigned i = 0; i < s->sensors; i++)
		metric_put_states(w, METRIC_SENSOR_STATE, "sensor", s->sensor[i].name,
				  &(struct metric_states){ "state", states, SENSOR_STATES,
							   s->sensor[i].state });
}

static void health(struct metric_writer *w, const struct status *s, uint64_t now_us)
{
	struct metric_histogram durations =
		metric_histogram_us(s->tick_durations, s->tick_sum_us, 39, 175);
	struct metric_histogram lateness =
		metric_histogram_us(s->lateness, s->lateness_sum_us, 39, 175);

	sensors(w, s);
	metric_put(w, METRIC_RELOAD_OK, s->reload_ok, NO_MORE);
	metric_put(w, METRIC_HEARTBEAT_AGE,
		   now_us > s->now_us ? (double)(now_us - s->now_us) / 1e6 : 0, NO_MORE);
	metric_put_histogram(w, METRIC_TICK_DURATION, &durations, NO_MORE);
	metric_put_histogram(w, METRIC_TICK_LATENESS, &lateness, NO_MORE);
	metric_put(w, METRIC_TICKS_EARLY, (double)s->ticks_early, NO_MORE);
	metric_put(w, METRIC_TICKS_LATE, (double)s->ticks_late, NO_MORE);
	metric_put(w, METRIC_LOG_DROPPED, (double)s->log_dropped, NO_MORE);
	metric_put(w, METRIC_HTTP_RESTARTS, (double)s->http.restarts, NO_MORE);
	metric_put(w, METRIC_CONTROL_RESTARTS, (double)s->control.restarts, NO_MORE);
	metric_put(w, METRIC_BUILD_INFO, 1, "version", s->version, NO_MORE);
}

static void process(struct metric_writer *w, const struct process *p)
{
	metric_put_known(w, METRIC_PROCESS_CPU, p->cpu_s, NO_MORE);
	metric_put_known(w, METRIC_PROCESS_RESIDENT, p->resident_bytes, NO_MORE);
	metric_put_known(w, METRIC_PROCESS_VIRTUAL, p->virtual_bytes, NO_MORE);
	metric_put_known(w, METRIC_PROCESS_OPEN_FDS, p->open_fds, NO_MORE);
	metric_put_known(w, METRIC_PROCESS_MAX_FDS, p->max_fds, NO_MORE);
	metric_put_known(w, METRIC_PROCESS_START, p->start_s, NO_MORE);
}

void metrics_render(const struct status *status, const struct process *own, uint64_t now_us,
		    bool openmetrics, struct evbuffer *out)
{
	struct metric_writer w;

	metric_writer_init(&w, out, openmetrics);
	levels(&w, status);
	pressures(&w, status);
	metrics_services(&w, status);
	decisions(&w, status);
	sources(&w, status);
	fleet(&w, status);
	waits(&w, status);
	disks_metrics(&status->disks, &w);
	health(&w, status, now_us);
	process(&w, own);
	metric_writer_end(&w);
}
