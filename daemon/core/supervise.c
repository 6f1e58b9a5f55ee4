/* When the window may not grow: while growth brings nothing, and for a while after a sensor was lost. */
#include "core/window_parts.h"

#define HOLD_US 30000000u
#define SUPERVISE_US 5000000u
#define VETO_US 30000000u

/* Growth of the window that brought no more completions is vetoed for a while. */
void window_supervise(struct window *w, const struct tick *t)
{
	if (!window_has(w, WINDOW_PART_SUPERVISOR))
		return;
	if (w->supervisor.since_us == 0 || t->in->now_us - w->supervisor.since_us >= SUPERVISE_US) {
		if (w->supervisor.since_us != 0 && t->refusing &&
		    w->view.window > 1.1 * w->supervisor.window &&
		    w->completed_slow < 1.02 * w->supervisor.completed)
			w->supervisor.vetoed_until_us = t->in->now_us + VETO_US;
		w->supervisor.since_us = t->in->now_us;
		w->supervisor.window = w->view.window;
		w->supervisor.completed = w->completed_slow;
	}
}

/* Which inputs are there; losing one that was stops growth for a while. */
void window_watch_inputs(struct window *w, const struct tick *t)
{
	uint32_t seen = t->in->load->known | (t->saturation >= 0 ? 1u << 8 : 0) |
			(sample_has(t->in->sample, SIGNAL_MTA_CPU_CORES) ? 1u << 9 : 0) |
			(sample_has(t->in->sample, SIGNAL_MEM_AVAILABLE_BYTES) ? 1u << 10 : 0);

	if (w->seen & ~seen && window_has(w, WINDOW_PART_HOLD))
		w->hold_until_us = t->in->now_us + HOLD_US;
	w->seen = seen;
}
