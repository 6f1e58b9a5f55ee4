#include "core/second_stage.h"

#include <math.h>
#include <string.h>

#include "core/law.h"
#include "core/smooth.h"

/* The state as of this tick. */
struct stage_now {
	double cores, dt_s;
	bool stands; /* connections wait in the filter's accept queue */
	bool full; /* server and filter use nearly all CPU */
};

/* Reads the filter's signals; a missing reading is replaced by the last one for a while. False:
 * there is no filter. */
static bool read_filter(struct second_stage *s, const struct second_stage_input *in)
{
	double used = sample_get(in->sample, SIGNAL_FILTER_CPU_CORES, -1);

	s->missed_s = used < 0 ? s->missed_s + in->dt_s : 0;
	if (used >= 0)
		s->used = used;
	return used >= 0 || (s->jobs_ew > 0 && s->missed_s <= 2 * QUEUE_TAU_S);
}

static void smooth_rates(struct second_stage *s, const struct second_stage_input *in)
{
	double server = sample_get(in->sample, SIGNAL_MTA_CPU_CORES, 0);

	smooth_step(&s->jobs_ew, in->jobs_per_s, in->dt_s, TAU_COST_S);
	smooth_step(&s->server_ew, server, in->dt_s, TAU_COST_S);
	smooth_step(&s->server_now, server, in->dt_s, TAU_RATE_S);
	smooth_step(&s->filter_now, s->used, in->dt_s, TAU_RATE_S);
	smooth_step(&s->queued, sample_get(in->sample, SIGNAL_FILTER_QUEUE_COUNT, 0), in->dt_s,
		    TAU_RATE_S);
}

static void read_now(const struct second_stage *s, const struct second_stage_input *in,
		     struct stage_now *ret)
{
	ret->dt_s = in->dt_s;
	ret->cores = sample_get(in->sample, SIGNAL_MTA_CORES, in->cores);
	ret->stands = s->queued >= 1;
	ret->full = in->saturation >= UNSATURATED ||
		    s->server_now + s->filter_now >= WORKS * ret->cores;
}

/* Whether CPU has been left for so long that the filter has all it wants. */
static bool is_idle(struct second_stage *s, const struct second_stage_input *in,
		    const struct stage_now *t)
{
	bool idle = !t->stands && !t->full &&
		    sample_get(in->sample, SIGNAL_CPU_BUSY_RATIO, 0) < UNSATURATED;

	s->idle_s = idle ? s->idle_s + t->dt_s : 0;
	return s->idle_s >= FILTER_PROVEN_S;
}

static void see(struct second_stage_seen *seen, double jobs, double cpu_s, double dt_s)
{
	double kept = exp(-dt_s / FILTER_TAU_S);

	seen->jobs = seen->jobs * kept + jobs;
	seen->cpu_s = seen->cpu_s * kept + cpu_s;
}

/* Learns F. Nothing is behind now, so what was seen up to the last look counts. */
static void learn(struct second_stage *s, double jobs_per_s, double dt_s)
{
	if (s->jobs_ew < TELLS_MIN_PER_S)
		return;
	s->jobs += jobs_per_s * dt_s;
	see(&s->seen, jobs_per_s * dt_s, s->used * dt_s, dt_s);
	s->look_s += dt_s;
	if (s->look_s < FILTER_PROVEN_S)
		return;
	s->look_s = 0;
	s->proven = s->last;
	s->last = s->seen;
	if (s->jobs >= JOBS_FOR_COST && s->proven.jobs > 0)
		s->cost_s = s->proven.cpu_s / s->proven.jobs;
}

/* Something is behind now: what was seen lately is not the cost of a message, and is thrown
 * away. */
static void unlearn(struct second_stage *s)
{
	s->seen = s->last = s->proven;
	s->look_s = 0;
}

/* What server and filter can do together, messages a second. */
static double carries(const struct second_stage_view *v, const struct stage_now *t)
{
	double together = CORES_USABLE * t->cores / (v->server_cost_s + v->cost_s);
	bool own_bound = v->server_cost_s <= 0 || (t->stands && !t->full);

	return own_bound ? v->leaving_per_s : fmax(v->leaving_per_s, together);
}

static void read_view(const struct second_stage *s, const struct second_stage_input *in,
		      const struct stage_now *t, struct second_stage_view *ret)
{
	ret->known = s->cost_s >= FILTER_COST_MIN_S;
	if (!ret->known)
		return;
	ret->cost_s = s->cost_s;
	ret->server_cost_s = s->jobs_ew >= TELLS_MIN_PER_S ? s->server_ew / s->jobs_ew : 0;
	ret->leaving_per_s = s->filter_now / s->cost_s;
	ret->carries_per_s = carries(ret, t);
	ret->behind_max =
		ret->carries_per_s *
		(t->stands && !t->full ? DRAIN_WANTED / 2 * in->target_s : FILTER_BEHIND_S);
}

void second_stage_restore(struct second_stage *s, double cost_s)
{
	if (cost_s >= FILTER_COST_MIN_S && cost_s <= WARM_CPU_MAX_S)
		s->cost_s = cost_s;
}

void second_stage_step(struct second_stage *s, const struct second_stage_input *in,
		       struct second_stage_view *ret)
{
	struct stage_now t = { 0 };
	bool idle;

	*ret = (struct second_stage_view){ .allowed_per_s = -1, .keeps_up = true };
	if (!read_filter(s, in)) {
		/* The filter is gone. Before a filter was found, the figure of an earlier run is
		 * kept. */
		if (s->jobs_ew > 0)
			memset(s, 0, sizeof(*s));
		return;
	}
	smooth_rates(s, in);
	read_now(s, in, &t);
	idle = is_idle(s, in, &t);
	read_view(s, in, &t, ret);
	s->behind = ret->known && !idle
			    ? fmax(0, s->behind + (in->jobs_per_s - ret->leaving_per_s) * t.dt_s)
			    : 0;
	ret->keeps_up = !t.stands && s->behind <= ret->behind_max;
	if (ret->keeps_up && !t.full) {
		/* Fades, so that a small error of F does not add up. */
		s->behind *= exp(-t.dt_s / FILTER_TAU_S);
		learn(s, in->jobs_per_s, t.dt_s);
	} else {
		unlearn(s);
	}
	ret->behind = s->behind;
	if (ret->known && in->target_s > 0 && s->behind > ret->behind_max) {
		double left = ret->carries_per_s - (s->behind - ret->behind_max) / in->target_s;

		ret->allowed_per_s = fmax(fmax(left, ret->carries_per_s / 2), TELLS_MIN_PER_S);
	}
}
