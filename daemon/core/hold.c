/* When the window may not grow: for a while after a sensor was lost, or until it is back. */
#include "core/window_parts.h"

#define HOLD_US 30000000u

/* Bits of window.seen: enum load_known, and from here on what of the sample leads. */
#define SEEN_SATURATION (1u << 8)
#define SEEN_CPU_CORES (1u << 9)
#define SEEN_MEMORY (1u << 10)
/* These lead the servo alone. */
#define SEEN_RUNQ (1u << 11)
#define SEEN_ACCEPT_QUEUE (1u << 12)
#define SEEN_BY_SERVO (SEEN_RUNQ | SEEN_ACCEPT_QUEUE)

/* Which inputs are there; losing one that was stops growth for a while. After the law in force was chosen. */
void window_watch_inputs(struct window *w, const struct tick *t)
{
	const struct sample *s = t->in->sample;
	uint32_t seen = t->in->load->known | (t->saturation >= 0 ? SEEN_SATURATION : 0) |
			(sample_has(s, SIGNAL_MTA_CPU_CORES) ? SEEN_CPU_CORES : 0) |
			(sample_has(s, SIGNAL_MEM_AVAILABLE_BYTES) ? SEEN_MEMORY : 0) |
			(sample_has(s, SIGNAL_RUNQ_P99_US) ? SEEN_RUNQ : 0) |
			(sample_has(s, SIGNAL_ACCEPT_QUEUE_RATIO) ? SEEN_ACCEPT_QUEUE : 0);
	uint32_t lost = w->seen & ~seen;

	if (w->view.law != LAW_SERVO)
		lost &= ~SEEN_BY_SERVO;
	w->lost = (w->lost | lost) & ~seen;
	if (lost)
		w->hold_until_us = t->in->now_us + HOLD_US;
	else if (!w->lost)
		w->hold_until_us = 0;
	if (!window_has(w, WINDOW_PART_HOLD))
		w->hold_until_us = 0;
	w->seen = seen;
}
