#include "core/backlog.h"

#include <math.h>
#include <string.h>

#include "core/smooth.h"

#define TAU_S 5.0
#define TAU_SLOPE_S 1.0 /* more, and a step of the load is seen too late */
#define MISSED_MOST_S 10.0 /* looks come once a second: so many may fail */
#define FEW 50.0 /* messages under way are no backlog */
#define DRAIN_WANTED 0.5 /* of the target */
#define DRAIN_BINDS 0.25 /* of the target: below this the queue is none of our business */
#define SETTLE_S 60.0
#define LEAVING_LEAST \
	0.02 /* of the rate at which mail comes: something leaves, else nobody could see it leave */
#define ALLOWED_LEAST 0.05 /* of that rate: something is always let through */
#define ALLOWED_FLOOR 0.2 /* a second */
#define DRAIN_SHOWN_MOST 86400.0

void backlog_step(struct backlog *b, double ready, double jobs_per_s, double target_s, double dt_s,
		  struct backlog_view *ret)
{
	double backlog, wanted;

	memset(ret, 0, sizeof(*ret));
	ret->allowed_per_s = -1;
	/* A look that fails now and then is no reason to begin anew: what was learned of the slope would be lost each time. */
	b->missed_s = ready < 0 ? b->missed_s + dt_s : 0;
	if (b->missed_s > MISSED_MOST_S)
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
	smooth_step(&b->ready_ew, ready, dt_s, TAU_S);
	smooth_step(&b->rate_ew, jobs_per_s, dt_s, TAU_S);
	ret->known = true;
	/* What lags behind by TAU shows the slope: no difference of two looks is taken. A tenth by which a long queue is counted wrong is
	 * more than leaves in seconds, so the slope is smoothed too, and the length is the lagging one, carried on by it. */
	smooth_step(&b->growth_ew, (ready - b->ready_ew) / TAU_S, dt_s, TAU_SLOPE_S);
	ret->growth_per_s = b->growth_ew;
	ret->leaving_per_s = fmax(b->rate_ew - ret->growth_per_s, LEAVING_LEAST * b->rate_ew);
	backlog = fmax(0, b->ready_ew + b->growth_ew * TAU_S - FEW);
	if (backlog <= 0)
		return;
	ret->drain_s = fmin(backlog / fmax(ret->leaving_per_s, 1e-3), DRAIN_SHOWN_MOST);
	if (target_s <= 0 || ret->drain_s <= DRAIN_BINDS * target_s)
		return;
	wanted = ret->leaving_per_s * DRAIN_WANTED * target_s;
	ret->allowed_per_s = fmax(ret->leaving_per_s + (wanted - backlog) / SETTLE_S,
				  fmax(ALLOWED_LEAST * b->rate_ew, ALLOWED_FLOOR));
}
