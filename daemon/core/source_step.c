/* One tick of the table: its clocks go on, and the plan gets its cut-offs. */
#include "core/source_parts.h"

#define STEP_US INT64_C(5000000) /* the wall clock was set if it moves by more in a tick */

/* The longest wait among the sources known by name. Once a second is enough, since it is for
 * people. */
static void look_for_oldest(struct source_table *t, uint32_t now_s)
{
	uint64_t oldest = 0;

	for (unsigned i = 0; i < SOURCE_WAITERS; i++) {
		const struct source_waiter *w = &t->waiter[i];

		if (w->last && now_s > w->since && now_s - w->since > oldest &&
		    waiter_waits(w, now_s))
			oldest = now_s - w->since;
	}
	t->named_oldest = oldest;
}

/* The ledger's times are of the wall clock, because they outlive a boot. When that clock is set, no
 * source has waited for longer or shorter, so the times are shifted with it. A slewed clock is
 * followed as it goes. */
static void follow_wall_clock(struct source_table *t, int64_t offset_us)
{
	int64_t step_us = offset_us - t->wall_offset_us;
	bool first = t->stepped_us == 0;

	__atomic_store_n(&t->wall_offset_us, offset_us, __ATOMIC_RELAXED);
	if (!first && (step_us > STEP_US || step_us < -STEP_US))
		ledger_shift(t, step_us / 1000000);
}

void source_plan(struct source_table *t, const struct source_input *in, struct plan *plan)
{
	double dt_s = (double)(in->now_us - t->stepped_us) / 1e6;
	uint32_t now_s;

	if (t->stepped_us == 0 || in->now_us <= t->stepped_us || dt_s > 5)
		dt_s = 0.1;
	follow_wall_clock(t, (int64_t)in->realtime_us - (int64_t)in->now_us);
	now_s = source_seconds(t, in->now_us);
	if (in->now_us / 1000000 != t->stepped_us / 1000000)
		look_for_oldest(t, now_s);
	t->stepped_us = in->now_us;
	rate_sweep(t, in->now_us);
	ledger_sweep(t, now_s);
	top_step(t, in, dt_s);
	cutoff_step(t, in, dt_s, plan);
}
