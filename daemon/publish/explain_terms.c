#include "publish/explain_terms.h"

#include <math.h>

#include "core/law.h"
#include "core/reply.h"
#include "core/servo.h"
#include "publish/words.h"

/* What a session takes of the window's time: Tt + T0 + Z. */
static double times(const struct window_view *w)
{
	return w->target_time_s + w->unloaded_s + w->think_time_s;
}

/* Where the servo has come to, and how it goes on. It adds up what was before, so this is all that
 * can be computed. Returns its window. */
static double explain_servo(const struct status *s, const struct window_view *w, double stuck,
			    struct text *out)
{
	struct delay_pressure p = delay_pressure(&s->sample, &s->view.pressure, w->saturation);
	double error = fmin(1, fmax(-1, 1 - p.most)), window = w->window - stuck;

	text_append(out, "   %.2f = what the servo has come to; ", window);
	if (p.name)
		text_append(out, "the highest pressure of a delay is %.2f (%s)", p.most, p.name);
	else
		text_append(out, "there is no pressure of a delay");
	if (error >= 0)
		text_append(out,
			    ": it grows by at most %.1f %% a second, and only while it is full",
			    100 * (exp(SERVO_UP * error) - 1));
	else if (p.harm >= 0 && p.harm < 1)
		text_append(out, ", but mail itself is not slow: it stays");
	else if (p.harm < 1 && w->machine == MACHINE_IDLE)
		text_append(out, ", but the machine is idle: it stays");
	else
		text_append(out, ": it shrinks by %.1f %% a second",
			    100 * (1 - exp(SERVO_DOWN * error)));
	return window;
}

/* W = Xcap x (Tt + T0 + Z). */
static double explain_equation(const struct window_view *w, struct text *out)
{
	text_append(
		out,
		"   %.2f = capacity %.2f/s x (%.1f ms aimed at + %.1f ms unloaded + %.1f ms of senders)",
		w->equation, w->capacity_per_s, w->target_time_s * 1000, w->unloaded_s * 1000,
		w->think_time_s * 1000);
	return w->equation;
}

/* The prediction of the capacity, and what it is computed from. */
static void explain_prediction(const struct window_view *w, struct text *out)
{
	const struct prediction *p = &w->prediction;

	text_append(out, "   capacity: ");
	switch (p->by) {
	case PREDICTED_BY_CPU:
		text_append(out, "predicted %.2f/s (%.2f x %.2f cores / %.4f ms of CPU a message)",
			    p->per_s, CORES_USABLE, p->cores, w->cpu_per_job_s * 1000);
		break;
	case PREDICTED_BY_GUESS:
		text_append(
			out,
			"assumed %.2f/s (%.2f x %.2f cores / %.4f ms, until messages were seen)",
			p->per_s, CORES_USABLE, p->cores, JOB_GUESS_S * 1000);
		break;
	case PREDICTED_BY_STEPS:
		text_append(out, "tried %.2f/s (%.0f x %.2f completed + %.0f)", p->per_s, AHEAD,
			    w->completed_lag_per_s, AHEAD_PER_S);
		break;
	case PREDICTED_BY_DISK:
		text_append(out, "tried %.2f/s (%.0f x %.2f by the stalls of the disk + %.0f)",
			    p->per_s, AHEAD, (p->per_s - AHEAD_PER_S) / AHEAD, AHEAD_PER_S);
	}
	text_append(out, " x trust %.4f; completed %.2f/s", w->trust, w->completed_lag_per_s);
}

/* What the regime does with the capacity. If that grows freely, the words name what it follows. */
static const char *doing_with_capacity(const struct window_view *w)
{
	static const char *const follows[] = {
		[PREDICTED_BY_CPU] = "capacity follows what the CPU of a message predicts",
		[PREDICTED_BY_GUESS] = "capacity follows what is assumed until messages were seen",
		[PREDICTED_BY_STEPS] = "capacity is tried in steps above what is completed",
		[PREDICTED_BY_DISK] = "capacity is tried up to what the stalls of the disk allow"
	};

	if (w->regime != REGIME_FREE)
		return regime_sentence(w->regime);
	if (w->completed_lag_per_s > w->prediction.per_s * w->trust)
		return "capacity follows what is completed, which is more than predicted";
	return follows[w->prediction.by];
}

/* Which way the capacity goes from here. */
static void explain_heading(const struct heading *h, struct text *out)
{
	if (h->time_s > 0)
		text_append(out, "; it goes to %.2f/s, 63 %% of the way in %.2f s", h->per_s,
			    h->time_s);
	else
		text_append(out, "; it stays");
	text_append(out, ", at least %.2f/s\n", h->least_per_s);
}

/* The terms that raise the window, in the order in which they do. Returns the window then. */
static double explain_raised(const struct window_view *w, unsigned least, double in_flight,
			     double stuck, double window, struct text *out)
{
	double on_trial = in_flight - stuck + PROBE_PLACES;

	if (w->lets_in && on_trial > fmax(window, least)) {
		window = on_trial;
		text_append(out,
			    "; at least %.0f: %d are let in on trial, although the window is full",
			    on_trial, (int)PROBE_PLACES);
	}
	if (window < least) {
		window = least;
		text_append(out, "; at least %u", least);
	}
	if (window > WINDOW_MAX) {
		window = WINDOW_MAX;
		text_append(out, "; at most %.0f", window);
	}
	if (stuck > 0)
		text_append(out, "; %.0f more for those that are stuck", stuck);
	return window + stuck;
}

/* The terms that lower it. */
static void explain_lowered(const struct window_view *w, unsigned least, double window,
			    struct text *out)
{
	double behind = fmax(least, w->queue_allowed_per_s * times(w));

	if (w->hard_binds) {
		window = w->hard;
		text_append(out, "; at most %.0f: %s", words_window(w->hard),
			    reason_sentence(w->reason));
	}
	if (w->law == LAW_CAPACITY && w->queue_allowed_per_s > 0 && behind < window)
		text_append(out,
			    "; at most %.2f by what waits behind it: %.2f/s x the same times%s",
			    behind, w->queue_allowed_per_s,
			    behind > least ? "" : ", and not less than the least window");
}

void explain_terms(const struct status *s, unsigned i, struct text *out)
{
	const struct window_view *w = &s->view.window[i];
	const struct load_service *l = &s->load.service[i];
	unsigned least = s->config.window_min;
	double window = WINDOW_MAX;
	char doing[SERVER_NAMES_MAX];

	if (w->law == LAW_CAPACITY && w->equation >= 0)
		window = explain_equation(w, out);
	else if (w->law == LAW_SERVO && !w->hard_binds)
		window = explain_servo(s, w, l->stuck, out);
	else if (w->law == LAW_SERVO)
		text_append(out, "   the servo allows more");
	else
		return;
	if (w->law == LAW_CAPACITY || !w->hard_binds)
		window = explain_raised(w, least, l->in_flight, l->stuck, window, out);
	explain_lowered(w, least, window, out);
	text_append(out, "\n");
	if (w->law == LAW_CAPACITY) {
		explain_prediction(w, out);
		explain_heading(&w->heading, out);
	}
	text_append(out, "   ");
	if (w->law == LAW_CAPACITY)
		text_append(out, "%s: %s; ", regime_name(w->regime), doing_with_capacity(w));
	text_append(out, "machine %s, server %s", machine_name(w->machine),
		    server_names(w->server, doing));
	if (w->growth_frozen)
		text_append(
			out,
			"; the window does not grow: a signal that it depends on was lost (until it is back, at most %d s)",
			(int)GROWTH_FREEZE_S);
	text_append(out, "\n");
}
