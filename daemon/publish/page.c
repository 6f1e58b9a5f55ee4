#include "publish/page.h"

#include <event2/buffer.h>
#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/duration.h"
#include "base/text.h"
#include "publish/faults.h"
#include "publish/headline.h"
#include "publish/neighbour_words.h"
#include "publish/page_parts.h"
#include "publish/template.h"
#include "publish/words.h"
#include "publish/www.h"

const struct maintenance_span *page_planned(const struct status *s)
{
	const struct maintenance_span *next = &s->maintenance.next;
	bool far = (uint64_t)next->begin_s * US_PER_S > s->realtime_us + 7 * 86400 * US_PER_S;

	return next->end_s && !far ? next : NULL;
}

static void set_planned(json_t *page, const struct status *s)
{
	const struct maintenance_span *next = page_planned(s);
	char begin[32], end[32];

	if (!next)
		return;
	page_set(page, "planned", "Planned maintenance from %s to %s%s%s.",
		 words_time((uint64_t)next->begin_s * US_PER_S, begin),
		 words_time((uint64_t)next->end_s * US_PER_S, end), next->text[0] ? ": " : "",
		 next->text);
}

static void set_now(json_t *page, const struct status *s, const struct headline *h)
{
	bool order = h->kind <= HEADLINE_MAINTENANCE, blind = h->kind == HEADLINE_BLIND;
	char when[32], buffer[32];

	page_set(page, "badge", "%s",
		 order || blind ? headline_name(h->kind) : level_name(s->view.level.number));
	if (order || blind)
		page_set(page, "badge_class", order ? "order" : "blind");
	else
		page_set(page, "badge_class", "l%d", (int)s->view.level.number);
	if (s->view.mode == PLAN_OBSERVE)
		json_object_set_new(page, "observe", json_true());
	page_set(page, "sentence", "%s", h->sentence);
	page_set(page, "advice", "%s", h->advice);
	if (order && s->view.order_reason[0])
		page_set(page, "order_reason", "%s", s->view.order_reason);
	if (order && s->view.order_until_us)
		page_set(page, "until", "%s", words_time(s->view.order_until_us, when));
	set_planned(page, s);
	if (!h->since_us)
		return;
	page_set(page, "since", "%s", words_time(h->since_us, when));
	page_set(page, "since_for", "%s",
		 duration_print(s->realtime_us > h->since_us
					? floor((double)(s->realtime_us - h->since_us) / 1e6)
					: 0,
				buffer));
}

static void add_figure(json_t *figures, const char *name, double value, const char *unit)
{
	json_t *one = json_object();

	page_set(one, "name", "%s", name);
	if (value < 0) {
		page_set(one, "value", "%s", "not known");
	} else {
		page_set(one, "value", "%.*f", value < 10 && value != floor(value) ? 2 : 0, value);
		page_set(one, "unit", "%s", unit);
	}
	json_array_append_new(figures, one);
}

static void set_figures(json_t *page, const struct status *s, const struct headline *h)
{
	json_t *figures = json_array();
	double offered = 0;

	for (unsigned i = 0; i < s->config.services; i++)
		offered += s->view.window[i].offered_per_s;
	add_figure(figures, "Offered", offered, "/s");
	add_figure(figures, "Admitted", offered * (1 - h->deferred_ratio), "/s");
	add_figure(figures, "Deferred", h->deferred_ratio * 100, "%");
	add_figure(figures, "Pressure", h->pressure, "");
	add_figure(figures, "In flight", s->view.in_flight, "");
	add_figure(figures, "Window", status_window(s), "");
	json_object_set_new(page, "figures", figures);
}

static void set_waiting(json_t *page, const struct status *s)
{
	const struct source_stats *x = &s->sources;
	char buffer[32], when[32];
	json_t *waiting;

	if (!s->sources_known || !x->deferred)
		return;
	waiting = json_object();
	page_set(waiting, "since", "%s",
		 words_time(s->realtime_us - (uint64_t)x->oldest_s * US_PER_S, when));
	page_set(waiting, "text",
		 "%llu %s deferred and will try again; the oldest has waited for %s",
		 (unsigned long long)x->deferred, x->deferred == 1 ? "source was" : "sources were",
		 duration_print((double)x->oldest_s, buffer));
	json_object_set_new(page, "waiting", waiting);
}

static void set_neighbours(json_t *page, const struct status *s)
{
	const struct neighbour *who = neighbour_who(&s->view, &s->neighbours);
	char buffer[1024] = "";
	struct text line = TEXT_OF(buffer);

	if (who) {
		neighbour_describe(s->view.pressure.driver, who, &line);
		text_append(&line, ". What helps: ");
		neighbour_advise(s->view.pressure.driver, who, &s->neighbours, &line);
		text_append(&line, ". ");
	}
	if (s->neighbours.leak.known) {
		text_append(&line, "Memory grows without end: ");
		neighbour_describe_leak(&s->neighbours.leak, &line);
		text_append(&line, ".");
	}
	if (buffer[0])
		page_set(page, "neighbours", "%s", buffer);
}

static void want(json_t *items, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void want(json_t *items, const char *format, ...)
{
	char buffer[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(buffer, sizeof(buffer), format, args);
	va_end(args);
	json_array_append_new(items, json_string(buffer));
}

/* Problems other than load, each with a remedy. */
static void set_attention(json_t *page, const struct status *s)
{
	json_t *items = json_array(), *attention = json_object();
	struct status_front f;
	char since[DURATION_PRINTED];
	double age;

	for (unsigned i = 0; i < status_front_named(s, i, &f); i++)
		if (!f.up)
			want(items, "Front %s is down: %s.", f.name, f.why);
	for (unsigned i = 0; i < s->sensors; i++)
		if (page_sensor_fails(&s->sensor[i]))
			want(items, "Sensor %s fails: %s.", s->sensor[i].name, s->sensor[i].why);
	for (int i = 0; i < FAULT__COUNT; i++)
		if (faults_lately(s, (enum fault)i, &age))
			want(items, "%s (%llu times, the last %s ago). %s. %s.",
			     fault_what((enum fault)i), (unsigned long long)s->faults.count[i],
			     duration_print(age, since), fault_consequence((enum fault)i),
			     fault_remedy((enum fault)i));
	if (s->maintenance.why[0])
		want(items, "A maintenance window cannot be obeyed: %s.", s->maintenance.why);
	if (!s->reload_ok)
		want(items, "The last reload was refused: the configuration before it is in force. "
			    "penstockd --check-config says why.");
	if (s->sources_known && s->sources.infeasible)
		want(items, "More senders are due by objective.longest_deferral than there is "
			    "capacity for. Take load off or add capacity.");
	if (s->sources_known && s->ledger_error)
		want(items,
		     "Cannot write the ledger of sources: %s. A restart would forget who "
		     "waits. Make room in the state directory.",
		     strerror(s->ledger_error));
	if (json_array_size(items))
		json_object_set_new(page, "attention", json_incref(attention));
	json_object_set_new(attention, "items", items);
	json_decref(attention);
}

void page_render(const struct status *s, const struct page_past *past, struct evbuffer *out)
{
	json_t *page = json_object();
	struct headline h;
	char when[32];

	headline_tell(s, &h);
	page_set(page, "host", "%s",
		 s->config.services ? s->config.service[0].reply.hostname : "penstock");
	page_set(page, "version", "%s", s->version);
	page_set(page, "when", "%s", words_time(s->realtime_us, when));
	set_now(page, s, &h);
	set_figures(page, s, &h);
	set_attention(page, s);
	set_waiting(page, s);
	set_neighbours(page, s);
	page_tables(page, s);
	if (past)
		page_charts(page, past, s->realtime_us / US_PER_S);
	template_render(www_page_html, page, out);
	json_decref(page);
}

const char *page_file(const char *path, const char **ret_type)
{
	static const struct {
		const char *path, *type, *text;
	} files[] = {
		{ "/page.css", "text/css; charset=utf-8", www_page_css },
		{ "/page.js", "text/javascript; charset=utf-8", www_page_js },
		{ "/public.css", "text/css; charset=utf-8", www_public_css },
		{ "/icon.svg", "image/svg+xml", www_icon_svg },
	};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		if (strcmp(files[i].path, path) == 0) {
			*ret_type = files[i].type;
			return files[i].text;
		}
	return NULL;
}

const char *page_html_for_customers(void)
{
	return www_public_html;
}
