/* The engine's answers in a tick as a list of named numbers. A trace keeps them beside the plan, so
 * that a replay can say by name where another engine differs first. */
#ifndef PENSTOCK_STORE_TRACE_ANSWER_H
#define PENSTOCK_STORE_TRACE_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/engine.h"

/* X(name, expression over `v`, the view) */
#define TRACE_COMMON_TABLE(X) \
	X("state", v->state) \
	X("mode", v->mode) \
	X("pressure_cpu", v->pressure.resource[RESOURCE_CPU]) \
	X("pressure_memory", v->pressure.resource[RESOURCE_MEMORY]) \
	X("pressure_disk", v->pressure.resource[RESOURCE_DISK]) \
	X("pressure_nic", v->pressure.resource[RESOURCE_NIC]) \
	X("pressure_smtp", v->pressure.resource[RESOURCE_SMTP]) \
	X("pressure", v->pressure.combined) \
	X("driver", v->pressure.driver) /* enum resource */ \
	X("driver_signal", v->pressure.driver_signal) /* as above */ \
	X("level", v->level.number) \
	X("admit_ratio", v->admit_ratio) \
	X("in_flight", v->in_flight) \
	X("window_sum", v->window_sum) \
	X("window_max_sum", v->window_max_sum) \
	X("queue_growth_per_s", v->backlog.growth_per_s) \
	X("queue_drain_s", v->backlog.drain_s) \
	X("queue_allowed_per_s", v->backlog.allowed_per_s) \
	X("filter_cost_s", v->second_stage.cost_s) \
	X("filter_leaving_per_s", v->second_stage.leaving_per_s) \
	X("filter_behind", v->second_stage.behind) \
	X("filter_allowed_per_s", v->second_stage.allowed_per_s) \
	X("foreign", v->foreign)

/* For each service: `w` is its window_view, `p` its plan_service, i its number. What the table of
 * sources sets comes last.
 *
 * plan_waiting_max, plan_late_us, plan_kept and plan_cutoff_due keep their first names, though the
 * members have others now: a replay finds a value of an older trace by its name, and would not
 * compare a renamed one. */
#define TRACE_SERVICE_TABLE(X) \
	X("law", w->law) \
	X("window", w->window) \
	X("hard", w->hard) \
	X("capacity_per_s", w->capacity_per_s) \
	X("completed_per_s", w->completed_per_s) \
	X("offered_per_s", w->offered_per_s) \
	X("admitted_per_s", w->admitted_per_s) \
	X("server_time_s", w->server_time_s) \
	X("target_time_s", w->target_time_s) \
	X("think_time_s", w->think_time_s) \
	X("saturation", w->saturation) \
	X("regime", w->regime) /* enum regime */ \
	X("machine", w->machine) /* enum machine */ \
	X("server", w->server) /* bits, enum server */ \
	X("cpu_per_job_s", w->cpu_per_job_s) \
	X("refusing", w->refusing) \
	X("foreign", w->foreign) \
	X("hard_binds", w->hard_binds) \
	X("queue_binds", w->queue_binds) \
	X("spared", v->spared[i]) \
	X("unloaded_s", w->unloaded_s) \
	X("equation", w->equation) \
	X("growth_frozen", w->growth_frozen) \
	X("lets_in", w->lets_in) \
	X("service_queue_allowed_per_s", w->queue_allowed_per_s) \
	X("cores", w->prediction.cores) \
	X("predicted_per_s", w->prediction.per_s) \
	X("predicted_by", w->prediction.by) /* enum predicted_by */ \
	X("trust", w->trust) \
	X("completed_lag_per_s", w->completed_lag_per_s) \
	X("heading_per_s", w->heading.per_s) \
	X("heading_time_s", w->heading.time_s) \
	X("heading_least_per_s", w->heading.least_per_s) \
	X("reason", p->reason) /* enum reason */ \
	X("plan_window", p->window) \
	X("plan_waiting_max", p->ungreeted_max) \
	X("plan_rate_milli", p->rate_milli) \
	X("plan_burst_milli", p->burst_milli) \
	X("plan_late_us", p->greeting_timeout_us) \
	X("plan_hold_us", p->hold_us) \
	X("plan_pass_milli", p->pass_milli) \
	X("plan_source_max", p->source_max) \
	X("plan_source_share", p->source_share) \
	X("plan_kept", p->reserve_256) \
	X("plan_cutoff", p->cutoff[PLAN_BAND_GENERAL]) \
	X("plan_cutoff_new", p->cutoff[PLAN_BAND_NEW]) \
	X("plan_cutoff_due", p->cutoff[PLAN_BAND_PROMISED])

enum {
#define X(...) +1
	TRACE_COMMON = 0 TRACE_COMMON_TABLE(X),
	TRACE_OF_SERVICE = 0 TRACE_SERVICE_TABLE(X),
#undef X
	TRACE_OF_SOURCES = 6, /* the last of a service's */
};

struct trace_answer {
	unsigned services;
	double common[TRACE_COMMON];
	double service[PLAN_SERVICES][TRACE_OF_SERVICE];
};

/* Index in a file -> index in this build; TRACE_UNKNOWN: this build does not know it. */
#define TRACE_UNKNOWN 0xff
#define TRACE_NAMES 128
struct trace_names {
	unsigned commons, of_service;
	uint8_t common[TRACE_NAMES], service[TRACE_NAMES];
	bool has_common[TRACE_COMMON], has_service[TRACE_OF_SERVICE];
};

extern const char *const trace_common_name[TRACE_COMMON];
extern const char *const trace_service_name[TRACE_OF_SERVICE];

void trace_answer_from(const struct engine_view *view, const struct plan *plan,
		       struct trace_answer *ret);
/* Writes a name such as "window of mx" into `buf` and returns it. `number` counts the common values
 * first, then those of each service. */
const char *trace_answer_name(const struct engine_config *config, unsigned number, char *buf,
			      size_t size);
/* The value of that number. */
double trace_answer_value(const struct trace_answer *answer, unsigned number);
/* The number of the first value from `from` on that differs in any bit, among those that the file
 * holds; -1: none. Values set by the table of sources are compared only with `ranked`. */
int trace_answer_differs(const struct trace_answer *a, const struct trace_answer *b,
			 const struct trace_names *names, bool ranked, unsigned from);

#endif
