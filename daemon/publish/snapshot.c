#include "publish/snapshot.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "fleet/fleet.h"
#include "front/fronts.h"
#include "front/proxy_counters.h"
#include "host/logind.h"
#include "host/timer.h"
#include "kernel/kernel.h"
#include "publish/journal.h"
#include "publish/outlets.h"
#include "sensor/sensing.h"
#include "sources/sources.h"
#include "store/history.h"
#include "store/learned.h"

static void add_front(struct status *s, const struct counts *c, bool up, const char *why,
		      uint64_t pid)
{
	struct status_front *f;

	for (int i = 0; i < PLAN_SERVICES; i++)
		counts_add(&s->total[i], &c->service[i]);
	for (int i = 0; i < COUNTS_SLOTS; i++)
		s->decisions[i] += c->decisions[i];
	s->decision_sum_ns += c->decision_sum_ns;
	s->malformed += c->malformed;
	faults_add(&s->faults, &c->faults);
	if (s->fronts == STATUS_FRONTS)
		return;
	f = &s->front[s->fronts++];
	memset(f, 0, sizeof(*f));
	snprintf(f->name, sizeof(f->name), "%s", c->front);
	snprintf(f->why, sizeof(f->why), "%s", why);
	f->up = up;
	f->pid = pid;
	f->malformed = c->malformed;
	f->errors = c->errors;
	for (int i = 0; i < PLAN_SERVICES; i++)
		counts_add(&f->sum, &c->service[i]);
}

static bool has_asked(const struct counts *c)
{
	for (int i = 0; i < PLAN_SERVICES; i++)
		if (c->service[i].offered)
			return true;
	return false;
}

/* A proxy that is not configured any more is left out. One that is configured and does not run is
 * down, also when this penstockd has never seen it run. */
static void add_down(struct status *s, const struct proxy_counters *proxies)
{
	bool outdated = proxy_counters_outdated(proxies);
	unsigned before = s->fronts;

	add_front(s, proxy_counters_retired(proxies), false, outdated ? PROXY_OUTDATED : PROXY_GONE,
		  0);
	if (s->fronts > before)
		s->front[before].passes = outdated;
}

static void add_proxies(struct status *s, const struct proxy_counters *proxies)
{
	for (unsigned i = 0; i < proxy_counters_count(proxies); i++) {
		const struct proxy_counted *f = proxy_counters_of(proxies, i);

		add_front(s, &f->counts, f->fresh, f->fresh ? "" : PROXY_HANGS, f->counts.pid);
	}
	if (s->config.proxy.enabled &&
	    (!proxy_counters_count(proxies) || has_asked(proxy_counters_retired(proxies))))
		add_down(s, proxies);
}

bool snapshot_proxy_up(const struct snapshot_parts *parts, const char **ret_why)
{
	*ret_why = "";
	return !parts->config->proxy.enabled || !parts->proxy_counters ||
	       proxy_counters_up(parts->proxy_counters, ret_why);
}

/* The fronts in this process. */
static void add_own(struct status *s, const struct fronts *fronts)
{
	struct fronts_view view;

	for (unsigned i = 0; i < fronts_count(fronts); i++)
		if (fronts_view(fronts, i, &view))
			add_front(s, view.counts, view.state.up, view.state.why, 0);
}

static void take_sensors(struct status *s, const struct sensing *sensing)
{
	const struct registry *registry = sensing_registry(sensing);
	const struct kernel *kernel = sensing_kernel(sensing);

	if (registry) {
		unsigned count = registry_count(registry);

		s->neighbours = *registry_neighbours(registry);
		s->filters = *registry_filters(registry);
		s->disks = *registry_disks(registry);
		for (unsigned i = 0; i < count && i < STATUS_SENSORS; i++)
			s->sensor[s->sensors++] = *registry_status(registry, i);
	}
	for (unsigned i = 0; kernel && i < STATUS_FSYNCS; i++)
		s->fsync[i].known = kernel_histogram(kernel, PROBE_FSYNC, i, s->fsync[i].slots,
						     &s->fsync[i].sum_us) == 0;
	if (kernel)
		kernel_runq_histogram(kernel, s->runq_slots, &s->runq_sum_us, &s->runq_count);
	else
		snprintf(s->bpf_why, sizeof(s->bpf_why), "%s", sensing_bpf_why(sensing));
}

static void take_sources(struct status *s, const struct sources *sources,
			 const struct proxy_counters *proxies)
{
	const struct source_stats *stats = sources_stats(sources);

	s->sources_known = stats != NULL;
	if (!stats)
		return;
	s->sources = *stats;
	s->deferred_sources = *sources_deferred(sources);
	s->shared = *sources_shared(sources);
	s->shared_last = *sources_shared_last(sources);
	faults_add(&s->faults, sources_faults(sources));
	s->ledger_error = sources_error(sources);
	s->source_events_lost = proxies ? proxy_counters_events_lost(proxies) : 0;
}

static int state_error(const struct snapshot_parts *parts)
{
	int error = sources_error(parts->sources);

	if (!error && parts->learned)
		error = learned_error(parts->learned);
	if (!error && parts->history)
		error = history_error(parts->history);
	return error;
}

static void take_timer(struct status *s, const struct timer *timer)
{
	const struct timer_view *view = timer_view(timer);

	memcpy(s->tick_durations, view->durations, sizeof(s->tick_durations));
	s->tick_sum_us = view->duration_sum_us;
	memcpy(s->lateness, view->lateness, sizeof(s->lateness));
	s->lateness_sum_us = view->lateness_sum_us;
	s->ticks_late = view->late;
	s->ticks_early = view->early;
	memcpy(s->triggers, view->triggers, sizeof(s->triggers));
	memcpy(s->scheduling, view->scheduling, sizeof(s->scheduling));
}

static void take_lately(struct status *s, const struct lately *lately)
{
	uint64_t id[PLAN_SERVICES];

	config_service_ids(&s->config, id);
	lately_tell(lately, id, s->total, s->lately);
}

static void take(const struct snapshot_parts *parts, struct status *s)
{
	const char *shutdown_why = logind_why(parts->logind);

	memset(s, 0, sizeof(*s));
	s->version = PENSTOCK_VERSION;
	s->now_us = parts->sample->now_us;
	s->realtime_us = parts->realtime_us;
	s->started_us = parts->started_us;
	s->tick = parts->engine->ticks;
	s->config = *parts->config;
	s->view = parts->engine->view;
	s->sample = *parts->sample;
	s->load = *parts->load;
	s->plan = *parts->plan;
	s->maintenance = *parts->maintenance;
	take_sensors(s, parts->sensing);
	if (parts->proxy_counters)
		add_proxies(s, parts->proxy_counters);
	add_own(s, parts->fronts);
	take_lately(s, parts->lately);
	take_sources(s, parts->sources, parts->proxy_counters);
	s->state_error = state_error(parts);
	fleet_view(parts->fleet, parts->realtime_us, &s->fleet);
	take_timer(s, parts->timer);
	s->level_since_realtime_us = parts->journal->level_since_realtime_us;
	s->headline_since_us = parts->journal->headline_since_us;
	s->deferred_us = parts->journal->deferred_us;
	s->public_since_us = parts->journal->public_since_us;
	s->reload_ok = parts->reload_ok;
	s->reloaded_realtime_us = parts->reloaded_us;
	s->log_dropped = log_dropped();
	outlets_http(parts->outlets, &s->http);
	outlets_control(parts->outlets, &s->control);
	outlets_faults(parts->outlets, &s->faults);
	if (shutdown_why)
		snprintf(s->shutdown_why, sizeof(s->shutdown_why), "%s", shutdown_why);
}

const struct status *snapshot_show(struct snapshot *snapshot)
{
	if (snapshot->status.tick != snapshot->parts.engine->ticks)
		take(&snapshot->parts, &snapshot->status);
	return &snapshot->status;
}

void snapshot_forget(struct snapshot *snapshot)
{
	snapshot->status.tick = 0;
}
