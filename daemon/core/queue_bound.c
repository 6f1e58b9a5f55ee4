/* What the queue behind the server allows (backlog.h) joins the plan: the bucket above all, for behind an after-queue filter sessions
 * are so short that no window of them binds. */
#include <math.h>

#include "core/smooth.h"
#include "core/window_parts.h"

#define BURST_S 0.25

void window_bind_queue(struct window *w, const struct tick *t, struct plan_service *ret)
{
	double allowed = t->in->queue_allowed_per_s;

	w->view.queue_allowed_per_s = allowed;
	w->view.queue_binds = false;
	if (allowed <= 0)
		return;
	if (w->view.law == LAW_CAPACITY) {
		double sessions =
			allowed * (w->view.target_time_s + w->time_base + w->view.think_time_s);

		if (sessions < w->config.least)
			sessions = w->config.least;
		if (sessions < w->view.window) {
			w->view.window = sessions;
			ret->window = (uint32_t)(sessions + 0.5);
		}
	}
	if (1000 * allowed < ret->rate_milli) {
		ret->rate_milli = (uint32_t)(1000 * allowed);
		ret->burst_milli = (uint32_t)(1000 * fmax(1, BURST_S * allowed));
	}
	w->view.queue_binds = w->offered_ew > 0.9 * allowed;
	if (w->view.queue_binds && !w->view.hard_binds) {
		w->view.reason = REASON_QUEUE;
		ret->reason = REASON_QUEUE;
	}
}
