/* The plan of a service, from what the law found: window, bucket, how many may wait for a greeting
 * or a place, and for how long. See the head of window.c. */
#include "core/window_parts.h"

void window_open_plan(struct window_view *view, struct plan_service *ret)
{
	view->law = LAW_OPEN;
	view->window = -1;
	view->reason = REASON_NONE;
	view->hard_binds = view->queue_binds = false;
	view->queue_allowed_per_s = view->passing_per_s = -1;
	ret->window = ret->ungreeted_max = ret->rate_milli = PLAN_UNLIMITED;
	ret->burst_milli = 0;
	ret->greeting_timeout_us = ret->hold_us = ret->pass_milli = 0;
	ret->reason = REASON_NONE;
}

/* How long an admitted session may wait for its greeting before it is refused late.
 *
 * Without an overload a session is refused late only if the server hangs. If an idle machine takes
 * long for a sender, the sender waits for another party (its own name server, say), and would not
 * fare better the next time. In an overload the limit is the sum of the usual time to the greeting,
 * the wait allowed in front of the server, and the objective. */
static uint32_t greeting_timeout_us(const struct window_view *view, const struct observation *o)
{
	double base_us = GREETINGS_BORNE * o->in->connect_220_base_us, greeting_timeout_us;

	if (!window_has(o->config, WINDOW_PART_LATE))
		return 0;
	if (base_us <= 0)
		return o->server & SERVER_NEVER_GREETED ? (uint32_t)us_of(UNGREETED_S) : 0;
	if (observed_idle(o) || !o->refusing)
		greeting_timeout_us = US_IN_S * UNGREETED_S + base_us;
	else
		greeting_timeout_us =
			o->config->banner_objective_us + US_IN_S * view->patience_s + base_us;
	return (uint32_t)fmin(greeting_timeout_us, PLAN_MAX);
}

/* How many sessions may come at once: the part of the window that is busy at the server. They are
 * all served within the time that the law aims at; that is long without an overload, and short in
 * one. The rest of the window are sessions that wait for their senders or for another party (the
 * unloaded part of T). These come in at the rate: if they were let in at once, they would all come
 * back at once. */
static double burst(const struct window_view *view)
{
	return view->capacity_per_s * view->target_time_s;
}

/* How many may wait for their greeting, while `x` a second complete. */
static uint32_t ungreeted_max(const struct window_view *view, const struct observation *o, double x)
{
	/* A new greet wait shows in T before it is learned as the unloaded time to the greeting. */
	double base_s = fmax(o->in->connect_220_base_us / US_IN_S,
			     o->server & SERVER_GREETS_LATE ? view->unloaded_s : 0);
	double ungreeted = fmax(BURST_MIN, x * (AT_ONCE_S + GREETINGS_BORNE * base_s));

	if (!window_has(o->config, WINDOW_PART_UNGREETED))
		return PLAN_UNLIMITED;
	/* Before the first greeting it is not known how many sessions wait for one. */
	if (o->in->connect_220_base_us <= 0)
		return o->server & SERVER_NEVER_GREETED ? (uint32_t)BURST_MIN : PLAN_UNLIMITED;
	if (view->lets_in)
		ungreeted = fmax(ungreeted, o->in->load->ungreeted + PROBE_PLACES);
	return (uint32_t)fmin(ungreeted, WINDOW_MAX);
}

/* What the capacity law knows beside the window: how fast places come free, and for how long may be
 * waited. */
static void plan_pace(const struct window_view *view, const struct observation *o,
		      struct plan_service *ret)
{
	double x = fmax(view->capacity_per_s, view->completed_per_s);

	if (window_has(o->config, WINDOW_PART_PACING))
		ret->rate_milli =
			(uint32_t)fmin(MILLI * (BUCKET_SHARE * x + BUCKET_MORE_PER_S), PLAN_MAX);
	ret->burst_milli = (uint32_t)fmin(MILLI * fmax(BURST_MIN, burst(view)), PLAN_MAX);
	ret->ungreeted_max = ungreeted_max(view, o, x);
	ret->greeting_timeout_us = greeting_timeout_us(view, o);
	/* Sessions that end give back memory and slots; but on a full disk no place comes free for
	 * connections that wait. */
	if (!view->hard_binds || view->reason != REASON_DISK)
		ret->hold_us = (uint32_t)(US_IN_S * view->patience_s);
	ret->pass_milli = (uint32_t)fmin(MILLI * view->passing_per_s, PLAN_MAX);
}

void window_plan(const struct window_view *view, const struct observation *o,
		 struct plan_service *ret)
{
	double queue_milli = MILLI * view->queue_allowed_per_s;

	ret->window = (uint32_t)(view->window + HALF);
	ret->reason = (uint8_t)view->reason;
	ret->rate_milli = ret->ungreeted_max = PLAN_UNLIMITED;
	ret->burst_milli = ret->greeting_timeout_us = ret->hold_us = ret->pass_milli = 0;
	if (view->law == LAW_CAPACITY)
		plan_pace(view, o, ret);
	if (queue_milli > 0 && queue_milli < ret->rate_milli) {
		ret->rate_milli = (uint32_t)queue_milli;
		ret->burst_milli =
			(uint32_t)(MILLI * fmax(1, AT_ONCE_S * view->queue_allowed_per_s));
	}
}
