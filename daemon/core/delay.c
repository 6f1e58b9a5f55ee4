/* Is T a delay, and no queue?
 *
 * A filter on another machine that takes two seconds and a queue look the same: T is long, the
 * machine here is idle, and busy = T x X holds for both. They differ in how T becomes long. A queue
 * makes it longer by at most a second each second, and completes as much as before. If T grows
 * faster, or clearly less is completed, it is believed: the window does not close, and when T has
 * stopped growing it is taken for T0. If it grows on then, it is a queue.
 *
 * Any other T, and one that is longer than a client should wait, has to show that it is no queue.
 * Delay and queue differ when the window changes, too: in a queue of half as many sessions each
 * takes half as long; a delay stays. So the law, which closes the window while T is long, looks
 * whether T follows:
 *
 *     busy has been below two thirds of what it was, for a second longer than a session takes (T
 *     is smoothed), and the sessions that end still take as long: T is unloaded time.
 *
 * Then the window goes back to what was open before. A filter with few places that becomes slower
 * while the window closes looks the same, so T is on probation at first: if T grows with the
 * sessions that are let in on top, they queue. Then T0 is again what it was, and for a minute T
 * proves nothing. If more is completed, the window may grow on.
 *
 * Example: a filter takes 5 s for each message, from one moment on. Five seconds later the first
 * that waited for it end, after 5 s, and so do those after them: T0 is 5 s, and no client was
 * refused. A filter with few places, which completes 10 of 60 a second: T is 2 s, then 3, and 4.
 * The window closes, and no such T is believed until all was well for a minute. */
#include "core/window_parts.h"

static void forget(struct delay *d)
{
	d->busy_most = d->time_most = d->fewer_s = 0;
	d->long_s = d->before_long_s = 0;
	d->jumped = false;
}

/* T is taken for T0, on probation. Returns it. */
static double believe(struct delay *d, const struct rates *r, double busy, double unloaded_s,
		      double *ret_proven_per_s)
{
	double ended = rates_ended_s(r);

	*ret_proven_per_s = busy / ended;
	d->before_s = unloaded_s;
	d->since_s = 0;
	d->time_s = ended;
	d->completed = r->completed;
	forget(d);
	return ended;
}

/* One tick of a probation. Returns T0 as it was before, if T is a queue after all; else 0. */
static double judge(struct delay *d, const struct rates *r, double *ret_proven_per_s)
{
	double before_s = d->before_s;

	if (d->since_s <= DELAY_TRIED_TIMES * d->time_s &&
	    rates_ended_s(r) > BASE_SLACK * d->time_s) {
		d->before_s = 0;
		d->since_s = -DELAY_PAUSE_S;
		d->doubted = true;
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

/* Whether T has become long in another way than a queue does, which makes it longer by at most a
 * second each second, and of which as much is completed as before. */
static bool has_jumped(const struct delay *d, const struct rates *r)
{
	return rates_ended_s(r) - d->short_s > BASE_SLACK * d->long_s ||
	       BASE_SLACK * r->completed < d->short_per_s;
}

/* Whether T, which is believed so far, has stopped growing. */
static bool has_settled(struct delay *d, double dt, const struct rates *r)
{
	double ended = rates_ended_s(r);

	d->long_s = ended > d->short_s ? d->long_s + dt : 0; /* or it becomes shorter, as T0 does */
	if (!d->jumped && d->long_s >= DELAY_JUMPS_S) {
		d->jumped = true;
		d->doubted = !has_jumped(d, r);
	}
	if (ended > DELAY_BELIEVED_S)
		d->doubted = true;
	if (d->doubted || d->long_s < TAU_RATE_S)
		return false;
	if (d->before_long_s > 0 && DELAY_STAYS * ended <= d->before_long_s)
		return true;
	d->long_s -= TAU_RATE_S;
	d->before_long_s = ended;
	return false;
}

/* T is doubted until no client has been refused, and it was not long, for a while. */
static void be_well(struct delay *d, const struct observation *o, const struct rates *r)
{
	forget(d);
	d->short_s = rates_ended_s(r);
	smooth_step(&d->short_per_s, r->completed, o->dt, BASE_UP_S);
	d->well_s = o->refusing ? 0 : d->well_s + o->dt;
	if (d->well_s >= DELAY_PAUSE_S)
		d->doubted = false;
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
		be_well(d, o, r);
		return 0;
	}
	d->well_s = 0;
	if (!d->doubted && has_settled(d, o->dt, r))
		return believe(d, r, r->busy, unloaded_s, ret_proven_per_s);
	if (has_stayed(d, o->dt, r->busy, ended))
		return believe(d, r, d->busy_most, unloaded_s, ret_proven_per_s);
	return 0;
}
