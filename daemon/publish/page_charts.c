/* The charts of the page and its last events, from the history. A chart is SVG that the page
 * holds itself: it needs no script, and the style sheet gives the colours. A chart is a
 * staircase with one step for each record, and a gap where there are no records. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "publish/history_tell.h"
#include "publish/page_parts.h"
#include "publish/words.h"

#define STEPS 150u /* steps of a chart */
#define PATH_BYTES 8192 /* 24 bytes a step are more than enough */
#define WIDE 600.0 /* viewBox of a chart in page.html; */
#define HIGH 120.0
#define ROW_WIDE 150.0 /* viewBox of a chart in the row of a resource: */
#define ROW_HIGH 30.0
#define ROW_TOP 2.0 /* the pressure at the upper edge; 1 is in the middle */
#define DAY_S 86400u
#define PART_S 3600u /* the part of the day that is read at once */
#define PART_STEP_S 10u
#define EVENTS 8 /* how many are shown */
#define NOW_S 60 /* an event that ended less than this ago may still go on */

struct chart {
	const struct history_record *record;
	size_t count;
	uint64_t since_s;
	uint32_t span_s, step_s;
};

/* The value of a record that a chart shows; below 0: unknown. */
typedef double (*value_fn)(const struct history_record *r, int index);

static double x_of(const struct chart *c, uint64_t at_s, double wide)
{
	double x = at_s > c->since_s ? (double)(at_s - c->since_s) / c->span_s * wide : 0;

	return fmin(x, wide);
}

/* Where a chart is drawn: its size in units of the SVG, and the value at its upper edge. */
struct pane {
	double wide, high, top;
};

/* A staircase between `base` and the values; `line`: its upper edge only. Values outside of
 * base..top are cut off there. */
struct curve {
	const char *key; /* of the path in the chart */
	value_fn value;
	int index; /* which row of the table of resources; 0 elsewhere */
	double base;
	bool line;
};

static void draw(const struct chart *c, json_t *to, const struct pane *pane,
		 const struct curve *curve)
{
	char buffer[PATH_BYTES] = "";
	struct text path = TEXT_OF(buffer);
	double base = curve->base, top = pane->top, high = pane->high;
	double foot = high * (1 - base / top);
	uint64_t end_s = 0;
	bool open = false;

	for (size_t i = 0; i < c->count; i++) {
		const struct history_record *r = &c->record[i];
		double v = curve->value(r, curve->index),
		       y = high * (1 - fmin(fmax(v, base), top) / top);

		if (open && (v < 0 || r->at_s > end_s)) {
			text_append(&path, curve->line ? "" : "V%.1fZ", foot);
			open = false;
		}
		if (v < 0)
			continue;
		if (!open)
			text_append(&path, "M%.1f %.1f", x_of(c, r->at_s, pane->wide),
				    curve->line ? y : foot);
		end_s = r->at_s + c->step_s;
		text_append(&path, "V%.1fH%.1f", y, x_of(c, end_s, pane->wide));
		open = true;
	}
	if (open && !curve->line)
		text_append(&path, "V%.1fZ", foot);
	json_object_set_new(to, curve->key, json_string(buffer));
}

/* The next of 1, 2, 5, 10, 20, ... */
static double round_up(double value)
{
	static const double steps[] = { 1, 2, 5, 10 };
	double ten = pow(10, floor(log10(fmax(value, 1))));

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
		if (steps[i] * ten >= value)
			return steps[i] * ten;
	return 10 * ten;
}

static double highest(const struct chart *c, value_fn value, int index)
{
	double most = -1;

	for (size_t i = 0; i < c->count; i++)
		most = fmax(most, value(&c->record[i], index));
	return most;
}

static double offered(const struct history_record *r, int index)
{
	return r->offered / fmax(1, r->seconds);
}

static double admitted(const struct history_record *r, int index)
{
	return r->admitted / fmax(1, r->seconds);
}

static double told(const struct history_record *r, int index)
{
	return ((double)r->admitted + r->deferred) / fmax(1, r->seconds);
}

static double window(const struct history_record *r, int index)
{
	return (double)r->window;
}

static double in_flight(const struct history_record *r, int index)
{
	return (double)r->in_flight;
}

static double pressure(const struct history_record *r, int index)
{
	return index < RESOURCE__COUNT ? (double)r->pressure[index] : (double)r->demand;
}

static void set_rates(json_t *page, const struct chart *c)
{
	struct pane pane = { WIDE, HIGH,
			     round_up(fmax(highest(c, offered, 0), highest(c, told, 0))) };
	struct history_record sum = { 0 };
	json_t *chart = json_object();
	double all;

	for (size_t i = 0; i < c->count; i++)
		history_fold(&sum, &c->record[i]);
	all = (double)history_all(&sum);
	draw(c, chart, &pane, &(struct curve){ .key = "told", .value = told });
	draw(c, chart, &pane, &(struct curve){ .key = "admitted", .value = admitted });
	draw(c, chart, &pane, &(struct curve){ .key = "offered", .value = offered, .line = true });
	page_set(chart, "top", "%.0f/s", pane.top);
	if (sum.deferred)
		page_set(chart, "say", "%u of %.0f connections were deferred (%.0f %%).",
			 sum.deferred, all, 100.0 * sum.deferred / fmax(1, all));
	else if (sum.would_defer)
		page_set(chart, "say",
			 "Enforcing would have deferred up to %u of %.0f connections.",
			 sum.would_defer, all);
	else
		page_set(chart, "say", "All of %u connections were admitted.", sum.admitted);
	json_object_set_new(page, "rates", chart);
}

static void set_sessions(json_t *page, const struct chart *c)
{
	double most = highest(c, in_flight, 0), widest = highest(c, window, 0);
	struct pane pane = { WIDE, HIGH, round_up(fmax(most, widest)) };
	json_t *chart = json_object();

	draw(c, chart, &pane, &(struct curve){ .key = "in_flight", .value = in_flight });
	draw(c, chart, &pane, &(struct curve){ .key = "window", .value = window, .line = true });
	page_set(chart, "top", "%.0f", pane.top);
	if (most < 0)
		page_set(chart, "say", "Sessions in flight are not known.");
	else if (widest < 0)
		page_set(chart, "say", "At most %.0f in flight; there was no window.", most);
	else
		page_set(chart, "say", "At most %.0f in flight; a window of %.0f at most.", most,
			 floor(widest));
	json_object_set_new(page, "sessions", chart);
}

/* Each row of the table of resources gets a chart; the last row is the demand. */
static void set_pressures(json_t *page, const struct chart *c)
{
	const struct pane pane = { ROW_WIDE, ROW_HIGH, ROW_TOP };
	json_t *rows = json_object_get(page, "resources"), *row;
	size_t i;

	json_array_foreach(rows, i, row)
	{
		double most = highest(c, pressure, (int)i);

		if (most < 0)
			continue;
		draw(c, row, &pane,
		     &(struct curve){ .key = "area", .value = pressure, .index = (int)i });
		draw(c, row, &pane,
		     &(struct curve){
			     .key = "over", .value = pressure, .index = (int)i, .base = 1 });
		page_set(row, "most", "%.2f", most);
	}
}

/* The last events, in a ring. */
struct events {
	struct history_event last[EVENTS];
	unsigned count;
};

static void keep_event(void *context, const struct history_event *event)
{
	struct events *e = context;

	e->last[e->count++ % EVENTS] = *event;
}

/* Only the `last` one can still go on. */
static json_t *event_json(const struct history_event *event, bool last, uint64_t now_s)
{
	json_t *one = json_object();
	char when[32];

	page_set(one, "from", "%s", words_time(event->from_s * 1000000, when));
	if (last && event->until_s > event->from_s && event->until_s + NOW_S >= now_s)
		json_object_set_new(one, "goes_on", json_true());
	else if (event->until_s > event->from_s)
		page_set(one, "ended", "%s", words_time(event->until_s * 1000000, when));
	page_set(one, "text", "%s", event->text);
	return one;
}

/* Reads an hour at a time: the whole day would take megabytes. */
static void set_events(json_t *page, const struct page_past *past, uint64_t now_s,
		       struct history_record *records, size_t most)
{
	json_t *list = json_array();
	struct history_teller teller;
	struct events e = { .count = 0 };

	history_teller_begin(&teller, keep_event, &e);
	for (uint64_t at_s = now_s - DAY_S + PART_S; at_s < now_s; at_s += PART_S) {
		uint64_t until_s = at_s + PART_S < now_s ? at_s + PART_S : now_s + 1;
		size_t count =
			past->history(past->context, at_s, until_s, PART_STEP_S, records, most);

		/* The page is public, so it must not show the names of neighbours. */
		for (size_t i = 0; i < count; i++)
			records[i].unit[0] = 0;
		history_teller_feed(&teller, records, count);
	}
	history_teller_end(&teller);
	for (unsigned i = e.count; i > 0 && i + EVENTS > e.count; i--)
		json_array_append_new(list,
				      event_json(&e.last[(i - 1) % EVENTS], i == e.count, now_s));
	json_object_set_new(page, "events", list);
}

static void set_spans(json_t *page, uint32_t span_s)
{
	static const struct {
		uint32_t span_s;
		const char *name, *from;
	} spans[] = { { 300, "5 min", "5 min ago" },
		      { 3600, "hour", "an hour ago" },
		      { DAY_S, "day", "a day ago" } };
	json_t *list = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(spans); i++) {
		json_t *one = json_object();

		page_set(one, "span", "%u", spans[i].span_s);
		page_set(one, "name", "%s", spans[i].name);
		if (spans[i].span_s == span_s) {
			json_object_set_new(one, "shown", json_true());
			page_set(page, "span_name", "%s", spans[i].name);
			page_set(page, "span_from", "%s", spans[i].from);
		}
		json_array_append_new(list, one);
	}
	json_object_set_new(page, "spans", list);
}

void page_charts(json_t *page, const struct page_past *past, uint64_t now_s)
{
	size_t most = PART_S / PART_STEP_S + 2;
	_cleanup_free_ struct history_record *records = calloc(most, sizeof(*records));
	struct chart c = { .record = records,
			   .span_s = past->span_s,
			   .step_s = (past->span_s + STEPS - 1) / STEPS };

	if (!records)
		return;
	set_events(page, past, now_s, records, most);
	/* Rounded as history_range() does: steps are whole periods. */
	if (c.step_s > PART_STEP_S)
		c.step_s = (c.step_s + PART_STEP_S - 1) / PART_STEP_S * PART_STEP_S;
	c.since_s = now_s + 1 - past->span_s;
	c.count = past->history(past->context, c.since_s, now_s + 1, c.step_s, records, most);
	set_spans(page, past->span_s);
	set_rates(page, &c);
	set_sessions(page, &c);
	set_pressures(page, &c);
	json_object_set_new(page, "charts", json_true());
}
