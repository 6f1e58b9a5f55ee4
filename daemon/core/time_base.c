/* T, the time that a session costs the server, and T0, its unloaded part: what is the server's way
 * (tarpits, greet waits, lookups) and no overload. */
#include "core/window_parts.h"

/* The window is nearly shut, and still a session takes long on an idle machine, or where a disk is
 * all that it waits for: that is no queue, but its own way, or the disk's (a commit that all
 * share). */
static bool is_confined(const struct window *w, const struct tick *t)
{
	bool disk = t->io > t->cpu && !(t->server & SERVER_SHORT_OF_SLOTS);
	double few = CONFINED_BUSY * w->config.min;

	return (tick_is_idle(t) || disk) && w->view.window >= 0 && w->view.window <= few &&
	       w->rates.busy <= few;
}

/* T by the sessions that have ended; -1: not known. It lags behind, and does not see sessions that
 * only look busy and never end (half a TLS hello, a client that stalls in its message): those are
 * no load. */
static double ended_time(const struct window *w)
{
	return w->rates.done >= TELLS_MIN_PER_S ? w->rates.done_time / w->rates.done : -1;
}

/* Nothing queues: neither for the machine nor for a greeting. */
static bool is_unloaded(const struct window *w, const struct tick *t)
{
	double ungreeted = t->in->load->known & LOAD_UNGREETED ? t->in->load->ungreeted : 0;
	/* A server that greets late by itself (greet wait, DNS lists) always has some that wait. */
	double late = LATE_GREETINGS * w->rates.admitted * t->in->connect_220_base_us / US_IN_S;

	return tick_is_idle(t) && !t->refusing &&
	       ungreeted <= fmax(fmax(2, late), UNGREETED_IDLE_SHARE * t->in->load->in_flight);
}

/* Follows what a session costs the server while nothing queues: down at once, up only while it is
 * idle. */
static void learn(struct window *w, struct tick *t)
{
	struct unloaded *u = &w->unloaded;
	double completed = w->rates.completed, admitted = w->rates.admitted;
	/* While the load rises, completions lag behind by T: then Little's law holds for what was
	 * admitted. */
	double unloaded = w->rates.busy / fmax(fmax(completed, admitted), 1);
	/* After a step of the load either rate is not what made those busy now: it costs less only
	 * if it does by both. */
	double surely = w->rates.busy / fmax(fmin(completed, admitted), 1);
	bool rests = is_unloaded(w, t);

	if (t->refusing && surely > u->time_s && is_confined(w, t)) {
		u->seen = true;
		smooth_step(&u->time_s, surely, t->dt, BASE_CONFINED_S);
		t->confined = true;
	} else if (unloaded > u->time_s && t->server & SERVER_GREETS_LATE &&
		   completed > THROUGH_SHARE * admitted) {
		/* They do get through, late as they are greeted: that is its way. */
		if (u->seen)
			smooth_step(&u->time_s, unloaded, t->dt, BASE_GREETING_S);
		else
			u->time_s = unloaded;
		u->seen = true;
	} else if (!u->seen && rests) {
		u->time_s = unloaded;
		u->seen = true;
	} else if (surely < u->time_s) {
		smooth_step(&u->time_s, surely, t->dt, BASE_DOWN_S);
	} else if (rests) {
		smooth_step(&u->time_s, unloaded, t->dt,
			    w->rates.jobs < JOBS_FOR_BASE ? BASE_UP_FIRST_S : BASE_UP_S);
	}
}

/* A session takes at the least what its greeting takes, also where the few sessions by which the
 * unloaded time was learned were lucky. While greetings wait for a place, they say nothing of
 * it. */
static void learn_greeting(struct window *w, const struct tick *t)
{
	if (!(t->server & SERVER_SHORT_OF_SLOTS) && w->capacity.over_s <= 0)
		w->unloaded.time_s = fmax(w->unloaded.time_s, t->in->connect_220_base_us / US_IN_S);
}

double window_server_time(struct window *w, struct tick *t)
{
	/* Beyond what is the server's way, which itself varies. Those busy now were admitted a
	 * while ago. */
	double passing = fmax(w->rates.admitted, w->rates.completed);
	double busy = w->rates.busy - BASE_SLACK * passing * w->unloaded.time_s;
	double excess = fmax(0, busy / fmax(w->rates.completed, 1)), ended = ended_time(w);
	/* On an idle machine T alone shuts nothing: before an unloaded one was seen, and where
	 * greetings are what is late, a long one may be just that, and some of the busy may only
	 * look so. Then those that have ended must have taken as long, too. */
	bool witness = !tick_is_idle(t);
	bool alone = !w->unloaded.seen || w->rates.jobs < JOBS_FOR_BASE ||
		     t->server & SERVER_GREETS_LATE;

	w->view.server_time_s = fmin(w->rates.busy / fmax(w->rates.completed, 1), TIME_SHOWN_MAX_S);
	if (w->rates.completed >= TELLS_MIN_PER_S && window_has(w, WINDOW_PART_BASE)) {
		learn(w, t);
		learn_greeting(w, t);
	}
	if (!witness && alone)
		return 0;
	if (!witness && ended >= 0 && ended <= BASE_SLACK * w->unloaded.time_s + TIME_GOOD_S)
		return 0;
	return excess;
}
