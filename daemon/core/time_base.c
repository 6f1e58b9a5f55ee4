/* T, the time that a session costs the server, and its unloaded part: what is the server's way (tarpits, greet waits, lookups)
 * and no overload. */
#include "core/smooth.h"
#include "core/window_parts.h"

#define JOBS_FOR_BASE 50
#define BASE_SLACK 1.5
#define TIME_SHOWN_MOST 600.0 /* of a server that completes nothing, T is anything */
#define GREETING_SHARE 0.8 /* of the busy wait for their greeting: that is where the time goes */
#define ACCEPTED_SHARE 0.5 /* of those: the server has taken them and lets them wait */
#define CONFINED_BUSY 2.0 /* times the least window: so few on an idle machine queue for nothing */

/* The machine is plainly idle and nobody waits to be accepted. */
static bool is_machine_idle(const struct tick *t)
{
	return t->saturation >= 0 && t->saturation < 0.5 && !t->slots_short;
}

/* Whether the time goes into greetings that an idle machine holds back: a greet wait, DNS lists. One without a process for them
 * leaves them in its accept queue. A server that hangs looks the same; there the bound on those who wait for a greeting and the
 * late refusal hold, and no window would bring it back. The accept queues are those of all listeners: one that stands is said of all. */
bool window_is_greeting_late(const struct window *w, const struct tick *t)
{
	/* By the count of the same moment, too: a late refusal takes them away at once, and the mean knows that later. */
	double busy = fmin(w->busy_ew, t->in->load->busy), waiting = t->in->load->waiting;
	double queued = sample_get(t->in->sample, SIGNAL_ACCEPT_QUEUE_COUNT, 0);

	return is_machine_idle(t) && t->in->load->known & LOAD_WAITING && waiting > 0 &&
	       waiting >= GREETING_SHARE * busy && waiting - queued >= ACCEPTED_SHARE * waiting;
}

/* The window is nearly shut, and still a session takes long on an idle machine, or where a disk is all that it waits for: that is no
 * queue, but its own way, or the disk's (a commit that all share). */
static bool is_confined(const struct window *w, const struct tick *t)
{
	return (is_machine_idle(t) || (t->io > t->cpu && !t->slots_short)) && w->view.window >= 0 &&
	       w->view.window <= CONFINED_BUSY * w->config.least &&
	       w->busy_ew <= CONFINED_BUSY * w->config.least;
}

/* Follows what a session costs the server while nothing queues: down at once, up only while it is idle. */
static void learn_time_base(struct window *w, const struct tick *t)
{
	double waiting = t->in->load->known & LOAD_WAITING ? t->in->load->waiting : 0;
	double queue = sample_get(t->in->sample, SIGNAL_ACCEPT_QUEUE_RATIO, 0);
	/* A server that greets late by itself (greet wait, DNS lists) always has some that wait. */
	double late = 1.5 * w->admitted_ew * t->in->connect_220_base_us / 1e6;
	bool idle = t->saturation >= 0 && t->saturation < 0.5 && !t->refusing && queue < 0.05 &&
		    waiting <= fmax(fmax(2, late), 0.1 * t->in->load->in_flight);
	/* While the load rises, completions lag behind by T: then Little's law holds for what was admitted. */
	double unloaded = w->busy_ew / fmax(fmax(w->completed_ew, w->admitted_ew), 1);
	/* After a step of the load either rate is not what made those busy now: it costs less only if it does by both. */
	double surely = w->busy_ew / fmax(fmin(w->completed_ew, w->admitted_ew), 1);

	if (t->refusing && surely > w->time_base && is_confined(w, t)) {
		w->time_base_seen = true;
		smooth_step(&w->time_base, surely, t->dt, 1.0);
		/* What was made of completions with the wrong figure is void. */
		smooth_step(&w->trust, 1, t->dt, 2.0);
	} else if (unloaded > w->time_base && window_is_greeting_late(w, t) &&
		   w->completed_ew > 0.5 * w->admitted_ew) {
		/* They do get through, late as they are greeted: that is its way. */
		if (w->time_base_seen)
			smooth_step(&w->time_base, unloaded, t->dt, 5.0);
		else
			w->time_base = unloaded;
		w->time_base_seen = true;
	} else if (!w->time_base_seen && idle) {
		w->time_base = unloaded;
		w->time_base_seen = true;
	} else if (surely < w->time_base) {
		smooth_step(&w->time_base, surely, t->dt, 1.0);
	} else if (idle) {
		smooth_step(&w->time_base, unloaded, t->dt,
			    w->jobs_seen < JOBS_FOR_BASE ? 1.0 : 20.0);
	}
}

/* T less what a session costs an unloaded server. */
double window_server_time(struct window *w, struct tick *t)
{
	/* Beyond what is the server's way, which itself varies. */
	double passing = fmax(w->admitted_ew,
			      w->completed_ew); /* those busy now were admitted a while ago */
	double busy = w->busy_ew - BASE_SLACK * passing * w->time_base;
	/* Before an unloaded T was seen, and where greetings are what is late, a long one may be just that: then it takes a
	 * second witness. */
	bool witness = (w->time_base_seen && w->jobs_seen >= JOBS_FOR_BASE &&
			!window_is_greeting_late(w, t)) ||
		       t->slots_short || t->saturation < 0 || t->saturation > 0.5;

	w->view.server_time_s = fmin(w->busy_ew / fmax(w->completed_ew, 1), TIME_SHOWN_MOST);
	if (w->completed_ew >= 0.2 && window_has(w, WINDOW_PART_BASE))
		learn_time_base(w, t);
	return witness ? fmax(0, busy / fmax(w->completed_ew, 1)) : 0;
}
