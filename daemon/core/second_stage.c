#include "core/second_stage.h"

#include <math.h>
#include <string.h>

#include "core/law.h"
#include "core/smooth.h"

/* Whether the filter does all that it is given. */
static bool keeps_up(const struct second_stage *s, const struct second_stage_input *in)
{
	return s->queued < FILTER_QUEUE_STANDS && in->saturation < UNSATURATED;
}

/* What server and filter can do together, a second. */
static double carries(const struct second_stage_input *in, const struct second_stage_view *v)
{
	bool shared = in->saturation >= UNSATURATED && v->server_cost_s > 0;
	double together = CORES_USABLE * in->cores / (v->server_cost_s + v->cost_s);

	return shared ? fmax(v->leaving_per_s, together) : v->leaving_per_s;
}

void second_stage_step(struct second_stage *s, const struct second_stage_input *in,
		       struct second_stage_view *ret)
{
	double used = sample_get(in->sample, SIGNAL_FILTER_CPU_CORES, -1), bound_s;

	*ret = (struct second_stage_view){ .allowed_per_s = -1, .keeps_up = true };
	if (used < 0) {
		memset(s, 0, sizeof(*s));
		return;
	}
	s->jobs += in->jobs_per_s * in->dt_s;
	smooth_step(&s->jobs_ew, in->jobs_per_s, in->dt_s, TAU_COST_S);
	smooth_step(&s->server_ew, sample_get(in->sample, SIGNAL_MTA_CPU_CORES, 0), in->dt_s,
		    TAU_COST_S);
	smooth_step(&s->filter_ew, used, in->dt_s, TAU_COST_S);
	smooth_step(&s->filter_now, used, in->dt_s, TAU_RATE_S);
	smooth_step(&s->queued, sample_get(in->sample, SIGNAL_FILTER_QUEUE_COUNT, 0), in->dt_s,
		    TAU_RATE_S);
	ret->keeps_up = keeps_up(s, in);
	if (ret->keeps_up) {
		s->behind = 0;
		if (s->jobs >= JOBS_FOR_COST && s->jobs_ew >= COST_MIN_PER_S)
			s->cost_s = s->filter_ew / s->jobs_ew;
	}
	if (s->cost_s < FILTER_COST_MIN_S)
		return;
	ret->known = true;
	ret->cost_s = s->cost_s;
	ret->server_cost_s = s->jobs_ew >= COST_MIN_PER_S ? s->server_ew / s->jobs_ew : 0;
	ret->leaving_per_s = s->filter_now / s->cost_s;
	ret->carries_per_s = carries(in, ret);
	if (ret->keeps_up)
		return;
	s->behind = fmax(0, s->behind + (in->jobs_per_s - ret->leaving_per_s) * in->dt_s);
	ret->behind = s->behind;
	bound_s = in->saturation >= UNSATURATED ? FILTER_BEHIND_S : DRAIN_BINDS * in->target_s;
	if (in->target_s > 0 && s->behind > bound_s * ret->carries_per_s)
		ret->allowed_per_s = fmax(ret->carries_per_s, ALLOWED_FLOOR_PER_S);
}
