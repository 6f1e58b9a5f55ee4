/* What the queue behind the server (backlog.h) and the filter behind that (second_stage.h) allow
 * joins the plan: the bucket above all, for behind an after-queue filter sessions are so short that
 * no window of them binds. */
#include "core/window_parts.h"

void window_bind_queue(struct window *w, const struct tick *t, struct plan_service *ret)
{
	double allowed = t->in->queue_allowed_per_s;

	w->view.queue_allowed_per_s = allowed;
	w->view.queue_binds = false;
	if (allowed <= 0)
		return;
	if (w->view.law == LAW_CAPACITY) {
		double sessions = allowed * (w->view.target_time_s + w->unloaded.time_s +
					     w->view.think_time_s);

		if (sessions < w->config.min)
			sessions = w->config.min;
		if (sessions < w->view.window) {
			w->view.window = sessions;
			ret->window = (uint32_t)(sessions + HALF);
		}
	}
	if (MILLI * allowed < ret->rate_milli) {
		ret->rate_milli = (uint32_t)(MILLI * allowed);
		ret->burst_milli = (uint32_t)(MILLI * fmax(1, QUEUE_BURST_S * allowed));
	}
	if (MILLI * allowed < ret->pass_milli)
		ret->pass_milli = (uint32_t)(MILLI * allowed);
	/* So the next tick's patience, and the demand, are reckoned by what is let in. */
	w->view.passing_per_s = fmin(w->view.passing_per_s, allowed);
	w->view.queue_binds = w->rates.offered > QUEUE_BINDS_FROM * allowed;
	if (w->view.queue_binds && !w->view.hard_binds) {
		w->view.reason = REASON_QUEUE;
		ret->reason = REASON_QUEUE;
	}
}
