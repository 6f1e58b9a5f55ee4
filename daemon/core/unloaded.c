/* T, the time that a session costs the server, and T0, its unloaded part: the time that the server
 * takes without an overload, too (tarpits, greet waits, lookups). */
#include "core/window_parts.h"

void unloaded_restore(struct unloaded *u, const struct window_warm *warm)
{
	if (!warm_makes_sense(warm->time_base_s, WARM_BASE_MIN_S, WARM_BASE_MAX_S))
		return;
	u->time_s = u->rest_s = warm->time_base_s;
	u->seen = true;
}

/* Whether the window is nearly closed and sessions still take long, although the machine is idle or
 * they wait only for a disk. Then the time is no queue: the server or the disk always takes so long
 * (a commit that all sessions share). */
static bool is_confined(const struct observation *o, const struct rates *r)
{
	bool disk = o->io > o->cpu && !(o->server & SERVER_SHORT_OF_SLOTS);
	double few = CONFINED_BUSY * o->config->min;

	return (observed_idle(o) || disk) && o->before->window >= 0 && o->before->window <= few &&
	       r->busy <= few;
}

/* Whether nothing queues, neither for the machine nor for a greeting. */
static bool is_unloaded(const struct observation *o, const struct rates *r)
{
	return observed_idle(o) && !o->refusing && !observed_greetings_wait(o, r);
}

/* Follows the time of a session while nothing queues: downwards at once, upwards only while the
 * machine is idle. Returns whether it was learned behind a window that is nearly closed. */
static bool learn(struct unloaded *u, const struct observation *o, const struct rates *r)
{
	double completed = r->completed, admitted = r->admitted;
	/* While the load rises, completions lag behind by T. Then Little's law holds for the
	 * admissions. */
	double unloaded = r->busy / fmax(fmax(completed, admitted), 1);
	/* After a step of the load one of the two rates does not belong to the sessions that are
	 * busy now. So a shorter time is believed only if both rates give it. */
	double surely = r->busy / fmax(fmin(completed, admitted), 1);
	bool rests = is_unloaded(o, r);

	if (o->refusing && !rates_drain(r) && surely > u->rest_s && is_confined(o, r)) {
		u->seen = true;
		smooth_step(&u->rest_s, surely, o->dt, BASE_FAST_S);
		return true;
	}
	if (unloaded > u->rest_s && o->server & SERVER_GREETS_LATE &&
	    completed > THROUGH_SHARE * admitted) {
		/* Sessions are greeted late, and do get through: this server always takes so
		 * long. */
		if (u->seen)
			smooth_step(&u->rest_s, unloaded, o->dt, BASE_GREETING_S);
		else
			u->rest_s = unloaded;
		u->seen = true;
	} else if (!u->seen && rests) {
		u->rest_s = unloaded;
		u->seen = true;
	} else if (surely < u->rest_s) {
		smooth_step(&u->rest_s, surely, o->dt, BASE_FAST_S);
	} else if (rests) {
		smooth_step(&u->rest_s, unloaded, o->dt,
			    r->jobs < JOBS_FOR_BASE ? BASE_FAST_S : BASE_UP_S);
	}
	return false;
}

/* A session takes at least as long as its greeting, even if the few sessions from which the
 * unloaded time was learned were faster. While greetings wait for a slot, their time says nothing
 * about that. */
static void learn_greeting(struct unloaded *u, const struct observation *o, const struct knee *knee)
{
	if (!(o->server & SERVER_SHORT_OF_SLOTS) && knee->over_s <= 0)
		u->rest_s = fmax(u->rest_s, o->in->connect_220_base_us / US_IN_S);
}

/* Whether a few sessions are let in although the window is full. The sessions that end are quick,
 * so those that fill the window wait for something else (a name server, a client), unless
 * connections wait in the accept queue, or a crowd has just come: then the machine is busy in this
 * tick, and the smoothed figures follow only later. No session can overtake them (core/overtaken.h)
 * before others are let in. In a queue that grows, too, those that end are the early ones, and
 * quick. So none is let in past the window while a larger one shows whether sessions queue, and for
 * a while after they did (delay.c). */
bool unloaded_lets_in(const struct observation *o, const struct rates *r)
{
	double ended = rates_ended_s(r), now = fmax(o->cpu, fmax(o->io, o->memory));

	if (!observed_idle(o) || o->may_queue || ended < 0 ||
	    sample_get(o->in->sample, SIGNAL_ACCEPT_QUEUE_COUNT, 0) >= 1)
		return false;
	return o->believed ||
	       (machine_by(now) == MACHINE_IDLE && r->busy > PROBE_TIMES * ended * r->completed &&
		r->completed > THROUGH_SHARE * r->admitted);
}

double unloaded_step(struct unloaded *u, const struct observation *o, const struct rates *r,
		     const struct knee *knee, double commit_s, bool *ret_confined)
{
	/* The busy sessions beyond those of the unloaded time, which itself varies. The sessions
	 * that are busy now were admitted a while ago. */
	double passing = fmax(r->admitted, r->completed);
	double busy = r->busy - BASE_SLACK * passing * u->time_s;
	double excess = fmax(0, busy / fmax(r->completed, 1)), ended = rates_ended_s(r);
	/* On an idle machine a long T alone does not close the window. Before the unloaded time is
	 * known, and if greetings are late, it may be the time that the server always takes, and
	 * some sessions may only look busy. So the sessions that have ended must have taken as
	 * long, too. */
	bool witness = !observed_idle(o);
	bool alone = !u->seen || r->jobs < JOBS_FOR_BASE || o->server & SERVER_GREETS_LATE;

	*ret_confined = false;
	if (o->delay_s > 0)
		u->rest_s = o->delay_s;
	if (r->completed >= TELLS_MIN_PER_S && window_has(o->config, WINDOW_PART_BASE)) {
		*ret_confined = learn(u, o, r);
		learn_greeting(u, o, knee);
		u->time_s = fmax(u->rest_s, commit_s);
	}
	if (o->believed || (!witness && alone))
		return 0;
	if (!witness && ended >= 0 && ended <= BASE_SLACK * u->time_s + TIME_GOOD_S)
		return 0;
	return excess;
}
