#include "publish/metrics_services.h"

#include <math.h>

#include "base/array.h"
#include "publish/words.h"

/* A term of the capacity law; NAN: it is not in force, or the term is not known. */
static double of_law(const struct window_view *v, enum metric metric)
{
	if (v->equation < 0)
		return NAN;
	switch (metric) {
	case METRIC_TARGET_TIME:
		return v->target_time_s;
	case METRIC_UNLOADED_TIME:
		return v->unloaded_s;
	case METRIC_THINK_TIME:
		return v->think_time_s;
	case METRIC_JOB_CPU:
		return v->cpu_per_job_s >= 0 ? v->cpu_per_job_s : NAN;
	case METRIC_TRUST:
		return v->trust;
	default:
		return NAN;
	}
}

/* The value of a metric for one service; NAN: not known. */
static double of_service(const struct status *s, unsigned i, enum metric metric)
{
	const struct window_view *v = &s->view.window[i];
	const struct load_service *l = &s->load.service[i];
	const struct counts_service *c = &s->total[i];
	bool busy = l->known & LOAD_BUSY, completed = l->known & LOAD_COMPLETED;

	switch (metric) {
	case METRIC_WINDOW:
		return v->law == LAW_OPEN ? NAN : words_window(v->window);
	case METRIC_WINDOW_MAX:
		return v->hard >= 0 ? words_window(v->hard) : NAN;
	case METRIC_IN_FLIGHT:
		return l->known & LOAD_IN_FLIGHT ? l->in_flight : NAN;
	case METRIC_BUSY:
		return busy ? l->busy : NAN;
	case METRIC_STUCK:
		return busy ? l->stuck : NAN;
	case METRIC_SERVER_TIME:
		return v->server_time_s >= 0 ? words_server_time_s(v->server_time_s) : NAN;
	case METRIC_CAPACITY:
		return v->capacity_per_s >= 0 ? v->capacity_per_s : NAN;
	case METRIC_GROWTH_FROZEN:
		return v->law == LAW_OPEN ? NAN : v->growth_frozen;
	case METRIC_OFFERED:
		return (double)c->offered;
	case METRIC_FINISHED:
		return completed ? (double)l->finished : NAN;
	case METRIC_COMPLETED:
		return completed ? (double)l->completed : NAN;
	case METRIC_BUSY_SECONDS:
		return busy ? (double)l->busy_us / 1e6 : NAN;
	case METRIC_HELD:
		return (double)c->held;
	case METRIC_HELD_LONGEST:
		return l->known & LOAD_HELD ? l->held_longest_s : NAN;
	default:
		return of_law(v, metric);
	}
}

static void per_service(struct metric_writer *w, const struct status *s, enum metric metric)
{
	for (unsigned i = 0; i < s->config.services; i++)
		metric_put(w, metric, of_service(s, i, metric), "service",
			   s->config.service[i].name, NO_MORE);
}

static void service_info(struct metric_writer *w, const struct status *s)
{
	static const char *const shed[] = {
		[PLAN_SHED_YES] = "yes", [PLAN_SHED_LAST] = "last", [PLAN_SHED_NO] = "no"
	};

	for (unsigned i = 0; i < s->config.services; i++)
		metric_put(w, METRIC_SERVICE_INFO, 1, "service", s->config.service[i].name, "shed",
			   shed[s->config.service[i].shed], NO_MORE);
}

static void held(struct metric_writer *w, const struct status *s)
{
	per_service(w, s, METRIC_HELD);
	per_service(w, s, METRIC_HELD_LONGEST);
	for (unsigned i = 0; i < s->config.services; i++) {
		const struct counts_service *c = &s->total[i];
		const char *name = s->config.service[i].name;

		metric_put(w, METRIC_HELD_TOTAL, (double)c->held_admitted, "service", name,
			   "outcome", "admitted", NO_MORE);
		metric_put(w, METRIC_HELD_TOTAL, (double)c->held_in_vain, "service", name,
			   "outcome", "in_vain", NO_MORE);
		metric_put(w, METRIC_HELD_TOTAL, (double)c->held_left, "service", name, "outcome",
			   "left", NO_MORE);
	}
	for (unsigned i = 0; i < s->config.services; i++) {
		struct metric_histogram h = metric_histogram_us(s->total[i].held_time,
								s->total[i].held_sum_us, 55, 215);

		metric_put_histogram(w, METRIC_HELD_SECONDS, &h, "service",
				     s->config.service[i].name, NO_MORE);
	}
}

static void regimes(struct metric_writer *w, const struct status *s)
{
	const char *names[REGIME__COUNT];

	for (int i = 0; i < REGIME__COUNT; i++)
		names[i] = regime_name((enum regime)i);
	for (unsigned i = 0; i < s->config.services; i++)
		metric_put_states(w, METRIC_REGIME, "service", s->config.service[i].name,
				  &(struct metric_states){ "regime", names, REGIME__COUNT,
							   s->view.window[i].regime });
}

void metrics_services(struct metric_writer *w, const struct status *s)
{
	static const enum metric gauges[] = { METRIC_WINDOW, METRIC_WINDOW_MAX, METRIC_IN_FLIGHT,
					      METRIC_BUSY, METRIC_STUCK };
	static const enum metric law[] = { METRIC_SERVER_TIME, METRIC_CAPACITY,
					   METRIC_TARGET_TIME, METRIC_UNLOADED_TIME,
					   METRIC_THINK_TIME,  METRIC_JOB_CPU,
					   METRIC_TRUST,       METRIC_GROWTH_FROZEN };
	static const enum metric rates[] = { METRIC_OFFERED, METRIC_FINISHED, METRIC_COMPLETED,
					     METRIC_BUSY_SECONDS };

	service_info(w, s);
	for (unsigned i = 0; i < ARRAY_SIZE(gauges); i++)
		per_service(w, s, gauges[i]);
	metric_put(w, METRIC_ADMIT_RATIO, s->view.admit_ratio, NO_MORE);
	if (s->view.demand_ratio >= 0)
		metric_put(w, METRIC_DEMAND, s->view.demand_ratio, NO_MORE);
	if (s->view.second_stage.known) {
		metric_put(w, METRIC_FILTER_BEHIND, s->view.second_stage.behind, NO_MORE);
		metric_put(w, METRIC_FILTER_CARRIES, s->view.second_stage.carries_per_s, NO_MORE);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(law); i++)
		per_service(w, s, law[i]);
	regimes(w, s);
	for (unsigned i = 0; i < ARRAY_SIZE(rates); i++)
		per_service(w, s, rates[i]);
	for (unsigned i = 0; i < s->config.services; i++) {
		struct metric_histogram h = metric_histogram_us(
			s->total[i].connect_220, s->total[i].connect_220_sum_us, 55, 215);

		metric_put_histogram(w, METRIC_CONNECT_220, &h, "service",
				     s->config.service[i].name, NO_MORE);
	}
	held(w, s);
}
