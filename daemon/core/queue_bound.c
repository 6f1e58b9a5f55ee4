/* Adds the bounds of the queue behind the server (backlog.h) and of the filter behind that
 * (second_stage.h) to the plan. They act on the bucket above all: with an after-queue filter
 * sessions are so short that no window limits them. */
#include "core/window_parts.h"

void queue_bound(const struct observation *o, double offered_per_s, struct window_view *view,
		 struct plan_service *ret)
{
	double allowed = o->in->queue_allowed_per_s;

	view->queue_allowed_per_s = allowed;
	view->queue_binds = false;
	if (allowed <= 0)
		return;
	if (view->law == LAW_CAPACITY) {
		double sessions =
			allowed * (view->target_time_s + view->unloaded_s + view->think_time_s);

		if (sessions < o->config->min)
			sessions = o->config->min;
		if (sessions < view->window) {
			view->window = sessions;
			ret->window = (uint32_t)(sessions + HALF);
		}
	}
	if (MILLI * allowed < ret->rate_milli) {
		ret->rate_milli = (uint32_t)(MILLI * allowed);
		ret->burst_milli = (uint32_t)(MILLI * fmax(1, AT_ONCE_S * allowed));
	}
	if (MILLI * allowed < ret->pass_milli)
		ret->pass_milli = (uint32_t)(MILLI * allowed);
	/* The next tick computes patience and demand with this rate. */
	view->passing_per_s = fmin(view->passing_per_s, allowed);
	view->queue_binds = offered_per_s > FULL * allowed;
	if (view->queue_binds && !view->hard_binds) {
		view->reason = REASON_QUEUE;
		ret->reason = REASON_QUEUE;
	}
}
