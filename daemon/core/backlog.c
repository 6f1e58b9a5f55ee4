#include "core/backlog.h"

#include <math.h>
#include <string.h>

#include "core/law.h"
#include "core/smooth.h"

void backlog_step(struct backlog *b, double ready, double jobs_per_s, double target_s, double dt_s,
		  struct backlog_view *ret)
{
	double backlog, wanted;

	memset(ret, 0, sizeof(*ret));
	ret->allowed_per_s = -1;
	/* If a reading fails now and then, the learned slope is kept. */
	b->missed_s = ready < 0 ? b->missed_s + dt_s : 0;
	if (b->missed_s > 2 * QUEUE_TAU_S)
		b->primed = false;
	if (ready < 0 && !b->primed)
		return;
	if (ready < 0)
		ready = b->looked;
	b->looked = ready;
	if (!b->primed) {
		b->ready_ew = ready;
		b->growth_ew = 0;
		b->rate_ew = jobs_per_s;
		b->primed = true;
	}
	smooth_step(&b->ready_ew, ready, dt_s, QUEUE_TAU_S);
	smooth_step(&b->rate_ew, jobs_per_s, dt_s, QUEUE_TAU_S);
	ret->known = true;
	/* The slope is taken from a mean that lags behind by TAU, and not from the difference of
	 * two readings: an error of a tenth in the count of a long queue is more than what leaves
	 * it in seconds. The slope is smoothed, too. The length is the lagging mean, extrapolated
	 * by the slope. */
	smooth_step(&b->growth_ew, (ready - b->ready_ew) / QUEUE_TAU_S, dt_s, TAU_RATE_S);
	ret->growth_per_s = b->growth_ew;
	ret->leaving_per_s = fmax(b->rate_ew - ret->growth_per_s, ALLOWED_MIN * b->rate_ew);
	backlog = fmax(0, b->ready_ew + b->growth_ew * QUEUE_TAU_S - QUEUE_FEW);
	if (backlog <= 0)
		return;
	ret->drain_s = ret->leaving_per_s > 0 ? fmin(backlog / ret->leaving_per_s, TIME_MAX_S)
					      : TIME_MAX_S;
	if (target_s <= 0 || ret->drain_s <= DRAIN_WANTED / 2 * target_s)
		return;
	wanted = ret->leaving_per_s * DRAIN_WANTED * target_s;
	ret->allowed_per_s = fmax(ret->leaving_per_s + (wanted - backlog) / target_s,
				  fmax(ALLOWED_MIN * b->rate_ew, TELLS_MIN_PER_S));
}
