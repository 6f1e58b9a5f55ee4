/* Is T a delay, and no queue?
 *
 * A filter on another machine that takes two seconds and a queue look the same: T is long, the
 * machine here is idle, and busy = T x X holds for both. Unless something else tells of an
 * overload (the machine is pressed or not seen, a disk is loaded, an accept queue stands, more
 * sessions than usual wait for their greeting), T is believed to be a delay: the window does not
 * close, and lets in who comes. A client that waits for six seconds is served; one that is refused
 * comes back in five minutes. When T has stayed for as long as it takes, it is T0.
 *
 * A T of more than six seconds is doubted, and T0 is again what it was before. But a queue makes T
 * longer by at most a second each second, and completes as much as before. A T that has jumped is
 * none, so it is believed up to nine seconds, and is T0 as soon as it stays for a second.
 *
 * A T that is doubted has to show that it is no queue. Delay and queue differ when the window
 * changes: in a queue of half as many sessions each takes half as long; a delay stays. So the law,
 * which closes the window while T is long, looks whether T follows:
 *
 *     busy has been below two thirds of what it was, for a second longer than a session takes, and
 *     the sessions that end now take longer than halfway between what a queue and what a delay
 *     would make of them.
 *
 * Then the window goes back to what was open before. A filter with few places that becomes slower
 * while the window closes looks the same, so T is on probation at first: if T grows with the
 * sessions that are let in on top, they queue. Then T0 is again what it was, and for a minute T
 * proves nothing. If more is completed, the window may grow on.
 *
 * Example: a filter takes 5 s for half of the mail, from one moment on. T grows to 2.5 s; no client
 * is refused, and soon T0 is 2.5 s. A filter with few places, which completes 10 of 60 a second:
 * T is 2 s, then 3, and 6. The window closes, and no such T is believed until all was well for a
 * minute. */
#include "core/window_parts.h"

static void forget(struct delay *d)
{
	d->busy_most = d->time_most = d->fewer_s = 0;
	d->long_s = d->looked_s = d->looked_time_s = 0;
	d->onset = DELAY_NOT_SEEN;
}

bool delay_is_believed(const struct delay *d)
{
	return d->long_s > 0 && !d->doubted;
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
		if (d->doubted)
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

/* For how long nothing but T has told of an overload. */
static double alone_s(const struct delay *d, const struct observation *o, const struct rates *r)
{
	/* A loaded disk makes each session slow, and loaded CPUs do not. */
	enum machine most = o->io > o->cpu ? MACHINE_IDLE : MACHINE_LOADED;
	bool pressed = o->machine == MACHINE_UNSEEN || o->machine > most;

	if (pressed || o->server & SERVER_SHORT_OF_SLOTS || observed_greetings_wait(o, r))
		return 0;
	return d->alone_s + o->dt;
}

/* Whether T is long, and nothing else has told of an overload for a while. */
static bool is_looked_at(const struct delay *d, const struct rates *r, double unloaded_s)
{
	return rates_ended_s(r) > BASE_SLACK * unloaded_s + TIME_GOOD_S && d->since_s >= 0 &&
	       d->alone_s >= TAU_RATE_S;
}

/* T is not looked at. It is doubted until it was not long, and no client was refused, for a
 * while. */
static void be_well(struct delay *d, const struct observation *o, const struct rates *r,
		    double unloaded_s)
{
	forget(d);
	if (rates_ended_s(r) <= BASE_SLACK * unloaded_s + TIME_GOOD_S)
		d->short_s = unloaded_s;
	smooth_step(&d->short_per_s, r->completed, o->dt, BASE_UP_S);
	d->well_s = o->refusing ? 0 : d->well_s + o->dt;
	if (d->well_s >= DELAY_PAUSE_S)
		d->doubted = false;
}

/* How T became long: as it does in a queue, or not. */
static enum delay_onset onset(const struct delay *d, const struct rates *r)
{
	bool faster = rates_ended_s(r) - d->short_s > BASE_SLACK * d->long_s;
	bool fewer = BASE_SLACK * r->completed < d->short_per_s;

	return faster || fewer ? DELAY_JUMPED : DELAY_GREW;
}

/* Whether T is longer than what is believed without a proof. */
static bool is_too_long(const struct delay *d, double time_s)
{
	return (d->onset == DELAY_GREW && time_s > DELAY_GROWN_S) ||
	       (d->onset == DELAY_JUMPED && time_s > DELAY_JUMPED_S);
}

/* Whether T, which is believed so far, has stopped growing. */
static bool has_settled(struct delay *d, double time_s)
{
	double least_s = d->onset == DELAY_JUMPED ? 0 : d->looked_time_s;

	if (d->long_s - d->looked_s < fmax(TAU_RATE_S, least_s))
		return false;
	if (d->looked_time_s > 0 && DELAY_STAYS * time_s <= d->looked_time_s)
		return true;
	d->looked_s = d->long_s;
	d->looked_time_s = time_s;
	return false;
}

/* Whether T has not followed the busy sessions. */
static bool has_stayed(struct delay *d, double dt, const struct rates *r)
{
	double time_s = r->few_time / fmax(r->few, 1), part;

	d->busy_most = fmax(d->busy_most, r->busy);
	d->time_most = fmax(d->time_most, time_s);
	part = r->busy / d->busy_most;
	if (BASE_SLACK * part >= 1) {
		if (time_s < DELAY_STAYS * d->time_most)
			forget(d); /* it follows */
		d->fewer_s = 0;
		return false;
	}
	d->fewer_s += dt;
	if (d->fewer_s < d->time_most + TAU_RATE_S)
		return false;
	if (2 * time_s >= (1 + part) * d->time_most)
		return true;
	forget(d);
	return false;
}

/* One tick of a long T. Returns as delay_step(). */
static double look(struct delay *d, const struct observation *o, const struct rates *r,
		   double unloaded_s, double *ret_proven_per_s)
{
	double time_s = rates_ended_s(r);

	d->well_s = 0;
	d->long_s += o->dt;
	if (d->onset == DELAY_NOT_SEEN && d->long_s >= DELAY_JUMPS_S)
		d->onset = onset(d, r);
	if (!d->doubted && is_too_long(d, time_s)) {
		d->doubted = true;
		return d->onset == DELAY_GREW ? d->short_s : 0;
	}
	if (!d->doubted && has_settled(d, time_s))
		return believe(d, r, r->busy, unloaded_s, ret_proven_per_s);
	if (has_stayed(d, o->dt, r))
		return believe(d, r, d->busy_most, unloaded_s, ret_proven_per_s);
	return 0;
}

double delay_step(struct delay *d, const struct observation *o, const struct rates *r,
		  double unloaded_s, double *ret_proven_per_s)
{
	double before_s;

	*ret_proven_per_s = 0;
	if (!window_has(o->config, WINDOW_PART_DELAY))
		return 0;
	d->since_s += o->dt;
	d->alone_s = alone_s(d, o, r);
	before_s = d->before_s > 0 ? judge(d, r, ret_proven_per_s) : 0;
	if (before_s > 0)
		return before_s;
	if (is_looked_at(d, r, unloaded_s))
		return look(d, o, r, unloaded_s, ret_proven_per_s);
	/* While clients are refused and nothing ends, nothing is known of T. */
	if (rates_ended_s(r) >= 0 || !o->refusing)
		be_well(d, o, r, unloaded_s);
	return 0;
}
