#include "publish/history_tell.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/array.h"
#include "core/engine.h"
#include "publish/headline.h"
#include "publish/words.h"

#define APART_S 60 /* a shorter pause does not end a stretch */
#define MISSING_S 5 /* before a start: kill -9 loses the last seconds */
#define FEW 30 /* sources: fewer than this are counted exactly */
#define NAMED_FROM 0.5f /* of its target: a lower pressure is not worth naming */

/* What a stretch is about; what clients were told comes first. */
static enum headline_kind kind_of(const struct history_record *r)
{
	if (r->headline <= HEADLINE_BLIND)
		return (enum headline_kind)r->headline;
	if (r->deferred)
		return HEADLINE_DEFERRING;
	if (r->would_defer)
		return HEADLINE_OBSERVING;
	return r->headline == HEADLINE_NEIGHBOUR ? HEADLINE_NEIGHBOUR : HEADLINE_NORMAL;
}

static const char *when(uint64_t at_s, bool day, char *buf, size_t size)
{
	time_t at = (time_t)at_s;
	struct tm tm;

	if (!localtime_r(&at, &tm) ||
	    strftime(buf, size, day ? "%F %H:%M:%S" : "%H:%M:%S", &tm) == 0)
		buf[0] = 0;
	return buf;
}

static bool same_day(uint64_t a_s, uint64_t b_s)
{
	char a[32], b[32];

	return strncmp(when(a_s, true, a, sizeof(a)), when(b_s, true, b, sizeof(b)), 10) == 0;
}

static const char *grouped(uint64_t count, char *buf, size_t size)
{
	uint32_t value = count > UINT32_MAX ? UINT32_MAX : (uint32_t)count;

	if (value >= 1000000)
		snprintf(buf, size, "%u,%03u,%03u", value / 1000000, value / 1000 % 1000,
			 value % 1000);
	else if (value >= 1000)
		snprintf(buf, size, "%u,%03u", value / 1000, value % 1000);
	else
		snprintf(buf, size, "%u", value);
	return buf;
}

/* "window 80 %, rate 20 %": the shares of the reasons, the largest first. */
static void add_reasons(const struct history_record *r, struct text *out)
{
	uint32_t left[REASON__COUNT];

	memcpy(left, r->by_reason, sizeof(left));
	for (int n = 0; n < 3; n++) {
		int most = 0;

		for (int i = 1; i < REASON__COUNT; i++)
			if (left[i] > left[most])
				most = i;
		if (left[most] == 0)
			return;
		text_append(out, "%s%s %.0f %%", n ? ", " : ": ", reason_name((enum reason)most),
			    100.0 * left[most] / r->deferred);
		left[most] = 0;
	}
}

/* "fsync_p99_us 1.9 s" */
static void add_reading(const struct history_record *r, struct text *out)
{
	int signal = 0;

	while (signal < SIGNAL__COUNT &&
	       strncmp(signal_info[signal].name, r->signal, sizeof(r->signal) - 1) != 0)
		signal++;
	if (signal == SIGNAL__COUNT || r->driver_value < 0) {
		words_times(out, (double)r->driver_pressure);
		text_append(out, " as much was offered as could be carried");
		return;
	}
	text_append(out, "%s ", r->signal);
	words_signal(out, (enum signal)signal, (double)r->driver_value);
}

static void add_driver(const struct history_record *r, struct text *out)
{
	if (r->driver[0] && r->driver_pressure > NAMED_FROM) {
		text_append(out, "; highest pressure: %s, ", r->driver);
		add_reading(r, out);
	}
	if (r->unit[0])
		text_append(out, ", driven by %s", r->unit);
}

/* "8,112 of 19,785 connections, about 2,930 sources" */
static void add_counts(const struct history_record *r, uint32_t part, struct text *out)
{
	char a[16], b[16];
	uint32_t sources = (uint32_t)lround(distinct_count(&r->sources));

	text_append(out, "%s of %s connections", grouped(part, a, sizeof(a)),
		    grouped(history_all(r), b, sizeof(b)));
	/* More sources than connections would be an error of the estimate. */
	if (sources > part)
		sources = part;
	if (sources)
		text_append(out, ", %s%s source%s", sources > FEW ? "about " : "",
			    grouped(sources, a, sizeof(a)), sources == 1 ? "" : "s");
}

/* A name that was cut ends with dots of its own. */
static void add_full_stop(struct text *out)
{
	if (out->length == 0 || out->data[out->length - 1] != '.')
		text_append(out, ".");
}

/* What each deferred, if there are several: ". mx: 45 % of 12,345; submission: 0 % of 340". Where
 * nothing is deferred it would be "0 %" of each, beside what enforcing would have deferred. */
static void add_services(const struct history_record *r, struct text *out)
{
	uint64_t all[HISTORY_SERVICES];
	unsigned asked = 0, said = 0;
	char a[16];

	for (int i = 0; i < HISTORY_SERVICES; i++) {
		const struct history_service *s = &r->service[i];

		all[i] = history_connections(s->offered, s->admitted, s->deferred,
					     r->by_reason[REASON_LATE]);
		asked += all[i] > 0;
	}
	for (int i = 0; asked > 1 && i < HISTORY_SERVICES; i++) {
		if (!all[i])
			continue;
		if (!said)
			add_full_stop(out);
		text_append(out, "%s%s: %.0f %% of %s", said++ ? "; " : " ", r->service[i].name,
			    100.0 * r->service[i].deferred / (double)all[i],
			    grouped(all[i], a, sizeof(a)));
	}
}

static void add_stretch(enum headline_kind kind, const struct history_record *r, struct text *out)
{
	switch (kind) {
	case HEADLINE_DRAINING:
	case HEADLINE_MAINTENANCE:
		text_append(out, "%s",
			    kind == HEADLINE_DRAINING ? "an operator drained the machine"
						      : "maintenance");
		if (!history_all(r))
			return; /* no client came, or penstockd was killed before it counted */
		text_append(out, ", deferred (");
		add_counts(r, r->deferred, out);
		text_append(out, ")");
		return;
	case HEADLINE_BLIND:
		text_append(out, "blind: no sensor worked, nothing was deferred for load");
		if (!r->deferred)
			return;
		text_append(out, "; refused by the front itself: ");
		add_counts(r, r->deferred, out);
		add_reasons(r, out);
		return;
	case HEADLINE_OBSERVING:
		text_append(out, "enforcing would have deferred up to %.0f %% (",
			    100.0 * r->would_defer / fmax(1, (double)history_all(r)));
		add_counts(r, r->would_defer, out);
		text_append(out, ")");
		break;
	case HEADLINE_DEFERRING:
		text_append(out, "deferred %.0f %% (",
			    100.0 * r->deferred / fmax(1, (double)history_all(r)));
		add_counts(r, r->deferred, out);
		text_append(out, ")");
		add_reasons(r, out);
		add_driver(r, out);
		add_services(r, out);
		return;
	default:
		text_append(out, "another control group pressed, mail flowed");
	}
	add_driver(r, out);
}

static void emit(struct history_teller *t, uint64_t from_s, uint64_t until_s, const char *text)
{
	struct history_event event = { .from_s = from_s, .until_s = until_s };

	snprintf(event.text, sizeof(event.text), "%s", text);
	t->event(t->context, &event);
	t->any = true;
}

static void end_stretch(struct history_teller *t)
{
	char line[sizeof(((struct history_event *)0)->text)] = "";
	struct text text = TEXT_OF(line);

	if (t->kind == HEADLINE_NORMAL)
		return;
	add_stretch((enum headline_kind)t->kind, &t->sum, &text);
	add_full_stop(&text);
	emit(t, t->sum.at_s, t->end_s, line);
	t->kind = HEADLINE_NORMAL;
}

static bool has_waits(const struct history_record *r)
{
	return r->held > 0 || history_waits(r) > 0;
}

/* "400 clients waited for a place, 2.3 s on average, up to 210 at once: 300 admitted, 100 left" */
static void add_waits(const struct history_record *r, struct text *out)
{
	const struct {
		uint32_t count;
		const char *what;
	} end[] = { { r->held_admitted, "admitted" },
		    { r->held_in_vain, "refused after their wait" },
		    { r->held_left, "left" } };
	uint64_t waits = history_waits(r);
	uint64_t most = r->held > 0 ? (uint64_t)fminf(r->held, 1e9f) : 0;
	unsigned said = 0;
	char a[16];

	if (!waits) {
		text_append(out, "up to %s client%s waited for a place at once",
			    grouped(most, a, sizeof(a)), most == 1 ? "" : "s");
		return;
	}
	text_append(out, "%s client%s waited for a place, ", grouped(waits, a, sizeof(a)),
		    waits == 1 ? "" : "s");
	words_duration(out, (double)r->held_s / (double)waits);
	text_append(out, " on average");
	if (most)
		text_append(out, ", up to %s at once", grouped(most, a, sizeof(a)));
	for (size_t i = 0; i < ARRAY_SIZE(end); i++)
		if (end[i].count)
			text_append(out, "%s%s %s", said++ ? ", " : ": ",
				    grouped(end[i].count, a, sizeof(a)), end[i].what);
}

static void end_waits(struct history_teller *t)
{
	char line[sizeof(((struct history_event *)0)->text)] = "";
	struct text text = TEXT_OF(line);

	if (t->waits.seconds == 0)
		return;
	add_waits(&t->waits, &text);
	add_full_stop(&text);
	emit(t, t->waits.at_s, t->waits_end_s, line);
	t->waits.seconds = 0;
}

static void feed_waits(struct history_teller *t, const struct history_record *r)
{
	if (r->at_s > t->waits_end_s + APART_S)
		end_waits(t);
	if (!has_waits(r))
		return;
	if (t->waits.seconds == 0)
		t->waits = (struct history_record){ .at_s = r->at_s, .period_s = r->period_s };
	history_fold(&t->waits, r);
	t->waits_end_s = r->at_s + r->period_s;
}

/* What happened at the beginning of a record: starts, reloads, changes of the mode, and what is
 * missing before it. */
static void tell_moments(struct history_teller *t, const struct history_record *r)
{
	uint64_t missing_s = t->last_s && r->at_s > t->last_s ? r->at_s - t->last_s : 0;
	bool started = r->flags & HISTORY_STARTED, observes = r->mode == PLAN_OBSERVE;
	bool changed = r->flags & HISTORY_MODE_CHANGED;
	/* What was before the first record is not known. */
	bool is_new = t->last_s ? r->mode != t->mode : changed;
	char line[160] = "", at[32];
	struct text text = TEXT_OF(line);

	if (started) {
		text_append(&text, "penstockd started%s",
			    observes ? " in observe mode, which refuses nothing for load" : "");
		if (missing_s > MISSING_S)
			text_append(&text, "; there is no record since %s",
				    when(t->last_s, !same_day(t->last_s, r->at_s), at, sizeof(at)));
		text_append(&text, ".");
		emit(t, r->at_s, r->at_s, line);
	} else if (missing_s > APART_S) {
		emit(t, t->last_s, r->at_s,
		     "there is no record: penstockd hung, the machine slept, or its clock was set.");
	}
	if (r->flags & HISTORY_RELOADED)
		emit(t, r->at_s, r->at_s, "another configuration was loaded.");
	if (is_new && !(started && observes))
		emit(t, r->at_s, r->at_s,
		     observes ? "the mode is observe now: nothing is refused for load."
			      : "the mode is enforce now: what is too much is refused.");
	else if (changed && !is_new)
		emit(t, r->at_s, r->at_s + r->period_s,
		     observes ? "the mode was enforce for a moment."
			      : "the mode was observe for a moment.");
}

void history_teller_begin(struct history_teller *t,
			  void (*event)(void *context, const struct history_event *event),
			  void *context)
{
	*t = (struct history_teller){ .kind = HEADLINE_NORMAL, .event = event, .context = context };
}

void history_teller_feed(struct history_teller *t, const struct history_record *records,
			 size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct history_record *r = &records[i];
		enum headline_kind now = kind_of(r);

		if (r->at_s > t->end_s + APART_S || (now != t->kind && now != HEADLINE_NORMAL) ||
		    (t->last_s && r->mode != t->mode))
			end_stretch(t);
		feed_waits(t, r);
		tell_moments(t, r);
		t->last_s = r->at_s + r->period_s;
		t->mode = r->mode;
		if (now == HEADLINE_NORMAL)
			continue;
		if (t->kind == HEADLINE_NORMAL)
			t->sum =
				(struct history_record){ .at_s = r->at_s, .period_s = r->period_s };
		t->kind = now;
		history_fold(&t->sum, r);
		t->end_s = r->at_s + r->period_s;
	}
}

void history_teller_end(struct history_teller *t)
{
	end_waits(t);
	end_stretch(t);
}

static void add_event(void *context, const struct history_event *event)
{
	struct text *out = context;
	char from[32], to[32];

	text_append(out, "%s", when(event->from_s, true, from, sizeof(from)));
	if (event->until_s > event->from_s)
		text_append(out, " to %s",
			    when(event->until_s, !same_day(event->from_s, event->until_s), to,
				 sizeof(to)));
	text_append(out, " %s\n", event->text);
}

void history_sentences(const struct history_record *records, size_t count, struct text *out)
{
	struct history_teller t;

	history_teller_begin(&t, add_event, out);
	history_teller_feed(&t, records, count);
	history_teller_end(&t);
	if (!t.any)
		text_append(out, count ? "Nothing was deferred: all mail was admitted.\n"
				       : "There is no history of this time.\n");
}

static void add_figure(struct text *out, int width, float value, int digits)
{
	if (value < 0)
		text_append(out, " %*s", width, "-");
	else
		text_append(out, " %*.*f", width, digits, (double)value);
}

static void add_rate(struct text *out, double value)
{
	text_append(out, " %8.*f", value < 1000 ? 1 : 0, value);
}

static void add_row(const struct history_record *r, struct text *out)
{
	double seconds = fmax(1, r->seconds);
	char at[32];

	text_append(out, "%s", when(r->at_s, true, at, sizeof(at)) + 5);
	add_rate(out, r->offered / seconds);
	add_rate(out, r->admitted / seconds);
	add_rate(out, r->deferred / seconds);
	text_append(out, " %-9s", level_name((enum level_number)r->level));
	add_figure(out, 6, r->driver_pressure, 2);
	text_append(out, " %-7.7s", r->driver[0] ? r->driver : "-");
	add_figure(out, 6, words_window(r->window), 0);
	add_figure(out, 5, r->in_flight, 0);
	text_append(out, "\n");
}

void history_table(const struct history_record *records, size_t count, unsigned lines,
		   struct text *out)
{
	size_t each = lines ? (count + lines - 1) / lines : 1;

	if (count == 0)
		return;
	text_append(out, "%-14s %8s %8s %8s %-9s %6s %-7s %6s %5s\n", "FROM", "OFFER/s", "ADMIT/s",
		    "DEFER/s", "LEVEL", "PRESS", "DRIVER", "WINDOW", "OPEN");
	for (size_t i = 0; i < count; i += each) {
		struct history_record sum = { .at_s = records[i].at_s,
					      .period_s = records[i].period_s };

		for (size_t k = i; k < count && k < i + each; k++)
			history_fold(&sum, &records[k]);
		add_row(&sum, out);
	}
}
