/* When the window may not grow: for a while after a sensor was lost, or until it is back. */
#include "core/window_parts.h"

/* Bits of growth_freeze.seen: signals that the law depends on. The bits of enum load_known stand
 * above these. */
enum {
	SEEN_SATURATION = 1 << 0,
	SEEN_CPU_CORES = 1 << 1,
	SEEN_MEMORY = 1 << 2,
	/* Only the servo depends on these. */
	SEEN_RUNQ = SEEN_MEMORY << 1,
	SEEN_ACCEPT_QUEUE = SEEN_RUNQ << 1,
	SEEN_LOAD = SEEN_ACCEPT_QUEUE << 1, /* times the bits of enum load_known */
};
#define SEEN_BY_SERVO (SEEN_RUNQ | SEEN_ACCEPT_QUEUE)

/* Notes which inputs there are. If one is lost, the window does not grow for a while. */
bool growth_freeze_step(struct growth_freeze *f, const struct observation *o, enum window_law law)
{
	const struct sample *s = o->in->sample;
	uint32_t seen = SEEN_LOAD * o->in->load->known |
			(o->saturation >= 0 ? SEEN_SATURATION : 0) |
			(sample_has(s, SIGNAL_MTA_CPU_CORES) ? SEEN_CPU_CORES : 0) |
			(sample_has(s, SIGNAL_MEM_AVAILABLE_BYTES) ? SEEN_MEMORY : 0) |
			(sample_has(s, SIGNAL_RUNQ_P99_US) ? SEEN_RUNQ : 0) |
			(sample_has(s, SIGNAL_ACCEPT_QUEUE_RATIO) ? SEEN_ACCEPT_QUEUE : 0);
	uint32_t lost = f->seen & ~seen;

	if (law != LAW_SERVO)
		lost &= ~(uint32_t)SEEN_BY_SERVO;
	f->lost = (f->lost | lost) & ~seen;
	if (lost)
		f->until_us = o->in->now_us + us_of(GROWTH_FREEZE_S);
	else if (!f->lost)
		f->until_us = 0;
	f->seen = seen;
	return o->in->now_us < f->until_us;
}
