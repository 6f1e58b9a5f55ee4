#include "publish/headline.h"

#include <string.h>

#include "base/text.h"
#include "publish/headline_advice.h"
#include "publish/neighbour_words.h"
#include "publish/words.h"

#define NAMED_FROM 0.5 /* pressure: a lower one is not worth naming */

static void add_driver(const struct status *s, const struct headline *h, struct text *out)
{
	enum signal driver = s->view.pressure.driver_signal;

	if (h->pressure < NAMED_FROM)
		return;
	if (h->signal[0] && driver < SIGNAL__COUNT && sample_has(&s->sample, driver) &&
	    h->pressure == s->view.pressure.combined) {
		text_append(out, " The highest pressure is %.2f, of the resource %s: %s ",
			    h->pressure, h->driver, h->signal);
		words_signal(out, driver, s->sample.value[driver]);
		text_append(out, ".");
	} else {
		text_append(out, " ");
		words_times(out, h->pressure);
		text_append(out, " as much mail is offered as can be carried.");
	}
}

static void add_order(const struct status *s, const char *what, struct text *out)
{
	char when[32];

	text_append(out, "%s: new connections are deferred", what);
	if (s->view.order_until_us)
		text_append(out, " until %s", words_time(s->view.order_until_us, when));
	text_append(out, ".");
}

/* Nothing is deferred, and the level is held: core/level.h. */
static void add_held_level(const struct status *s, struct text *out)
{
	char when[32];

	text_append(out, "No new connection is deferred now");
	if (s->deferred_us)
		text_append(out, ", and none has been since %s", words_time(s->deferred_us, when));
	text_append(out, ". The level stays %s for up to two minutes after that.",
		    level_name(s->view.level.number));
}

/* The highest pressure may be of another resource than the one that limits the window. In one
 * sentence that would read as a contradiction. */
static bool names_another(const struct headline *h)
{
	return h->reason >= REASON_CPU && h->reason <= REASON_SMTP &&
	       strcmp(h->driver, HEADLINE_DEMAND) != 0 &&
	       strcmp(h->driver, reason_name(h->reason)) != 0;
}

/* The control group that takes the CPU time that the mail server lacks. NULL: none, or it is not
 * known. */
static const struct neighbour *starves(const struct status *s, const struct headline *h,
				       bool *ret_more)
{
	bool by_cpu =
		h->reason == REASON_CPU || h->reason == REASON_SMTP || h->reason == REASON_LATE;

	*ret_more = false;
	if (h->kind == HEADLINE_PRESSED)
		by_cpu = s->view.pressure.driver == RESOURCE_CPU ||
			 s->view.pressure.driver == RESOURCE_SMTP;
	else if (h->kind != HEADLINE_DEFERRING)
		by_cpu = false;
	return by_cpu ? neighbour_starves(&s->view, &s->sample, &s->neighbours, ret_more) : NULL;
}

/* A server that gets no CPU time is not to blame for being slow. */
static void add_reason(const struct status *s, const struct headline *h,
		       const struct neighbour *who, bool more, struct text *out)
{
	if (who && more && h->reason != REASON_CPU)
		text_append(out, ": the mail server lacks CPU time");
	else if (h->reason != REASON_NONE)
		text_append(out, ": %s", reason_sentence(h->reason));
	if (who) {
		text_append(out, "; ");
		neighbour_compare(&s->sample, who, out);
	} else if (h->reason == REASON_SMTP && neighbour_cpus_full(&s->view, &s->sample)) {
		text_append(out, "; the CPUs are full");
	}
	text_append(out, ".");
}

static void add_deferring(const struct status *s, const struct headline *h, struct text *out)
{
	const struct neighbour *who;
	bool more;

	if (!headline_defers(&s->view)) {
		add_held_level(s, out);
		return;
	}
	words_share(out, h->deferred_ratio);
	text_append(out, " of the new connections are deferred");
	who = starves(s, h, &more);
	add_reason(s, h, who, more, out);
	if (!who && !names_another(h))
		add_driver(s, h, out);
}

/* Fewer are deferred than the lowest level needs: perhaps one source sends too much. */
static void add_admitted(const struct headline *h, struct text *out)
{
	if (h->deferred_ratio < HEADLINE_SAID_RATIO) {
		text_append(out, "all mail is admitted.");
		return;
	}
	text_append(out, "all new connections but ");
	words_share(out, h->deferred_ratio);
	text_append(out, " are admitted.");
}

static void add_pressed(const struct status *s, const struct headline *h, struct text *out)
{
	const struct neighbour *who;
	bool more;

	text_append(out, "The machine is close to its objective: ");
	add_admitted(h, out);
	add_driver(s, h, out);
	who = starves(s, h, &more);
	if (!who)
		return;
	text_append(out, " Of the CPU time, ");
	neighbour_compare(&s->sample, who, out);
	text_append(out, ".");
}

static void add_neighbour(const struct status *s, const struct headline *h, struct text *out)
{
	const struct neighbour *who = neighbour_who(&s->view, &s->neighbours);

	text_append(out, "The machine is loaded by ");
	if (who)
		neighbour_describe(s->view.pressure.driver, who, out);
	else
		text_append(out, "other programs than mail");
	text_append(out, ". Refusing mail would not help, so ");
	add_admitted(h, out);
	if (!who)
		add_driver(s, h, out);
}

/* "everything is admitted", or what the fronts refuse though no load does. */
static void add_unshed(const struct headline *h, const char *all, struct text *out)
{
	if (h->deferred_ratio < HEADLINE_SAID_RATIO) {
		text_append(out, "%s", all);
		return;
	}
	text_append(out, "nothing is deferred for load, but ");
	words_share(out, h->deferred_ratio);
	text_append(out, " of the new connections were refused in the last seconds: %s",
		    reason_sentence(h->reason));
}

static void add_observing(const struct status *s, const struct headline *h, struct text *out)
{
	text_append(out, "Observe mode: ");
	add_unshed(h, "everything is admitted", out);
	if (s->view.would_defer_ratio >= HEADLINE_SAID_RATIO) {
		bool waits = status_would_hold(s) > 0;

		text_append(out, "; enforcing would defer %s", waits ? "up to " : "");
		words_share(out, s->view.would_defer_ratio);
		text_append(out, " now%s", waits ? ", and let them wait for a place first" : "");
	}
	text_append(out, ".");
}

static void add_sentence(const struct status *s, const struct headline *h, struct text *out)
{
	struct status_front proxy;

	if (h->kind > HEADLINE_MAINTENANCE && headline_proxy_is_down(s, &proxy)) {
		text_append(out, "The front proxy is down: %s.", proxy.why);
		return;
	}
	switch (h->kind) {
	case HEADLINE_DRAINING:
		add_order(s, "An operator drains this machine", out);
		break;
	case HEADLINE_MAINTENANCE:
		add_order(s, "Maintenance", out);
		break;
	case HEADLINE_BLIND:
		text_append(out, "No sensor gives a value: penstock is blind and ");
		add_unshed(h, "admits everything", out);
		text_append(out, ".");
		break;
	case HEADLINE_OBSERVING:
		add_observing(s, h, out);
		break;
	case HEADLINE_DEFERRING:
		add_deferring(s, h, out);
		break;
	case HEADLINE_NEIGHBOUR:
		add_neighbour(s, h, out);
		break;
	case HEADLINE_PRESSED:
		add_pressed(s, h, out);
		break;
	default:
		text_append(out, "The machine carries its load: ");
		add_admitted(h, out);
	}
}

void headline_tell(const struct status *s, struct headline *ret)
{
	struct text sentence = TEXT_OF(ret->sentence), advice = TEXT_OF(ret->advice);
	const struct neighbour *starving;
	bool more;

	headline_judge(s, ret);
	add_sentence(s, ret, &sentence);
	starving = starves(s, ret, &more);
	headline_advise(s, ret, more ? starving : NULL, &advice);
}
