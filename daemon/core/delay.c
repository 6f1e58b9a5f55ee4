/* Is T a delay, and no queue?
 *
 * A filter on another machine that takes two seconds and a queue look the same: T is long, the
 * machine here is idle, and busy = T x X holds for both. They differ when the window changes. In a
 * queue of half as many sessions each takes half as long; a delay stays. So the law, which closes
 * the window while T is long, looks whether T follows:
 *
 *     busy has been below two thirds of what it was, for a second longer than a session takes (T
 *     is smoothed), and the sessions that end still take as long: T is unloaded time.
 *
 * Then the window goes back to what was open before. A filter with few places that becomes slower
 * while the window closes looks the same, so T is on probation at first: if T grows with the
 * sessions that are let in on top, they queue. Then T0 is again what it was, and for a minute T
 * proves nothing. If more is completed, the window may grow on.
 *
 * Example: a filter takes 2 s for each message, from one moment on. 120 sessions were busy, the
 * window has closed to 50, and two seconds later T is still 2 s: T0 is 2 s, and 60 a second can be
 * completed. */
#include "core/window_parts.h"

static void forget(struct delay *d)
{
	d->busy_most = d->time_most = d->fewer_s = 0;
}

/* One tick of a probation. Returns T0 as it was before, if T is a queue after all; else 0. */
static double judge(struct delay *d, const struct rates *r, double *ret_proven_per_s)
{
	double before_s = d->before_s;

	if (d->since_s <= DELAY_TRIED_TIMES * d->time_s &&
	    rates_ended_s(r) > BASE_SLACK * d->time_s) {
		d->before_s = 0;
		d->since_s = -DELAY_PAUSE_S;
		forget(d);
		return before_s;
	}
	if (d->since_s > DELAY_TRIED_TIMES * d->time_s) {
		d->before_s = 0;
	} else if (r->completed > BASE_SLACK * d->completed) {
		*ret_proven_per_s = AHEAD * r->completed;
		d->before_s = 0;
	}
	return 0;
}

/* Whether T is long, and nothing shows a queue. */
static bool is_looked_at(const struct delay *d, const struct observation *o, const struct rates *r,
			 double unloaded_s)
{
	return rates_ended_s(r) > BASE_SLACK * unloaded_s + TIME_GOOD_S && d->since_s >= 0 &&
	       observed_idle(o) && !observed_greetings_wait(o, r);
}

/* Whether T has not followed the busy sessions. */
static bool has_stayed(struct delay *d, double dt, double busy, double time_s)
{
	if (time_s < DELAY_STAYS * d->time_most)
		forget(d); /* it follows */
	d->busy_most = fmax(d->busy_most, busy);
	d->time_most = fmax(d->time_most, time_s);
	d->fewer_s = BASE_SLACK * busy < d->busy_most ? d->fewer_s + dt : 0;
	return d->fewer_s >= time_s + TAU_RATE_S;
}

double delay_step(struct delay *d, const struct observation *o, const struct rates *r,
		  double unloaded_s, double *ret_proven_per_s)
{
	double ended = rates_ended_s(r), before_s;

	*ret_proven_per_s = 0;
	if (!window_has(o->config, WINDOW_PART_DELAY))
		return 0;
	d->since_s += o->dt;
	before_s = d->before_s > 0 ? judge(d, r, ret_proven_per_s) : 0;
	if (before_s > 0)
		return before_s;
	if (!is_looked_at(d, o, r, unloaded_s)) {
		forget(d);
		return 0;
	}
	if (!has_stayed(d, o->dt, r->busy, ended))
		return 0;
	*ret_proven_per_s = d->busy_most / ended;
	d->before_s = unloaded_s;
	d->since_s = 0;
	d->time_s = ended;
	d->completed = r->completed;
	forget(d);
	return ended;
}
