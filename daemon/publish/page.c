#include "publish/page.h"

#include <event2/buffer.h>
#include <math.h>
#include <string.h>

#include "base/text.h"
#include "publish/explain.h"
#include "publish/foreign.h"
#include "publish/json.h"

static const char head[] =
	"<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
	"<title>penstock: %s</title><noscript><meta http-equiv=refresh content=5></noscript><style>"
	":root{--ink:#1d2733;--dim:#66717f;--line:#dfe4ea;--card:#fff;--ground:#f4f6f8;--bar:#3d7ea6}"
	"@media(prefers-color-scheme:dark){:root{--ink:#e6ebf0;--dim:#93a0ad;--line:#2d3843;--card:#1a222b;--ground:#12181e;--bar:#5fa3cc}}"
	"*{box-sizing:border-box}body{margin:0;background:var(--ground);color:var(--ink);font:15px/1.45 system-ui,sans-serif}"
	"main{max-width:1060px;margin:0 auto;padding:20px}header{display:flex;gap:16px;align-items:center;flex-wrap:wrap}"
	"h1{font-size:22px;margin:0}h2{font-size:13px;margin:0 0 8px;color:var(--dim);font-weight:600}"
	".level{padding:4px 14px;border-radius:16px;color:#fff;font-weight:600}"
	".l0{background:#2e7d4f}.l1{background:#8a6d00}.l2{background:#b3570b}.l3{background:#b3261e}.l4{background:#7b1fa2}"
	".say{color:var(--dim);margin:8px 0 16px}.grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin-bottom:12px}"
	".card{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:14px;margin-bottom:12px;overflow-x:auto}"
	".grid .card{margin:0}.big{font-size:26px;font-variant-numeric:tabular-nums}table{border-collapse:collapse;width:100%%}"
	"td,th{padding:4px 8px;text-align:left;border-top:1px solid var(--line);white-space:nowrap}th{color:var(--dim);font-weight:500;border:0}"
	"td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}td.w{white-space:normal;min-width:220px;color:var(--dim)}"
	".bar{display:inline-block;width:160px;height:9px;border-radius:5px;background:var(--line);overflow:hidden;vertical-align:middle}"
	".bar i{display:block;height:100%%;background:var(--bar)}.bar i.over{background:#b3261e}"
	"footer{color:var(--dim);font-size:13px}a{color:inherit}"
	"@media(max-width:700px){main{padding:12px}.help{display:none}.bar{width:72px}td,th{padding:4px 6px}td.w{min-width:0}}</style><main>";

static const char tail[] =
	"</main><script>setInterval(async()=>{try{const r=await fetch(location.pathname),t=await r.text(),"
	"d=new DOMParser().parseFromString(t,'text/html');document.querySelector('main').replaceWith(d.querySelector('main'));"
	"document.title=d.title}catch(e){document.title='penstock: not reachable'}},1000)</script></html>\n";

/* Text that came from outside (an operator's reason, a file name) must not become markup. */
static void put_escaped(struct evbuffer *out, const char *text)
{
	for (; *text; text++) {
		switch (*text) {
		case '<':
			evbuffer_add(out, "&lt;", 4);
			break;
		case '>':
			evbuffer_add(out, "&gt;", 4);
			break;
		case '&':
			evbuffer_add(out, "&amp;", 5);
			break;
		case '"':
			evbuffer_add(out, "&quot;", 6);
			break;
		default:
			evbuffer_add(out, text, 1);
		}
	}
}

static const char *sentence(const struct status *s)
{
	switch (s->view.state) {
	case STATE_DRAINING:
		return "An operator drains this machine: every new connection is deferred.";
	case STATE_MAINTENANCE:
		return "Maintenance: every new connection is deferred.";
	case STATE_BLIND:
		return "No sensor gives anything: penstock is blind and admits everything.";
	default:
		break;
	}
	if (s->view.foreign)
		return "The pressure is a neighbour's: refusing mail would not lower it, so mail flows.";
	if (s->view.mode == PLAN_OBSERVE)
		return "Observe mode: penstock counts what it would defer and admits everything.";
	switch (s->view.level.number) {
	case LEVEL_NORMAL:
		return "The machine carries its load.";
	case LEVEL_ELEVATED:
		return "The machine is close to its objective.";
	default:
		return "The machine is over its objective: part of the new connections is asked to come back later.";
	}
}

static void put_number(struct evbuffer *out, const char *title, double value, const char *unit)
{
	evbuffer_add_printf(out, "<div class=card><h2>%s</h2><span class=big>", title);
	if (value < 0)
		evbuffer_add_printf(out, "not known");
	else
		evbuffer_add_printf(out, "%.*f%s", value < 10 && value != floor(value) ? 2 : 0,
				    value, unit);
	evbuffer_add_printf(out, "</span></div>");
}

static void put_header(const struct status *s, struct evbuffer *out)
{
	char when[32];

	evbuffer_add_printf(out,
			    "<header><h1>penstock</h1><span class='level l%d'>%s</span>"
			    "<span>since %s</span><span>%s, %s</span></header><p class=say>%s",
			    s->view.level.number, level_name(s->view.level.number),
			    json_time(s->level_since_realtime_us, when),
			    engine_state_name(s->view.state),
			    s->view.mode == PLAN_OBSERVE ? "observe" : "enforce", sentence(s));
	if (s->view.order_reason[0] &&
	    (s->view.state == STATE_DRAINING || s->view.state == STATE_MAINTENANCE)) {
		evbuffer_add_printf(out, " Reason: ");
		put_escaped(out, s->view.order_reason);
	}
	evbuffer_add_printf(out, "</p>");
}

static void put_summary(const struct status *s, struct evbuffer *out)
{
	struct counts_service total = { 0 };

	for (int i = 0; i < PLAN_SERVICES; i++)
		counts_add(&total, &s->total[i]);
	evbuffer_add_printf(out, "<div class=grid>");
	put_number(out, "Pressure", s->view.pressure.any_known ? s->view.pressure.combined : -1,
		   "");
	put_number(out, "In flight", s->view.in_flight, "");
	put_number(out, "Window", s->view.window_sum < 0 ? -1 : floor(s->view.window_sum), "");
	put_number(out, "Admitted lately", s->view.admit_ratio * 100, " %");
	put_number(out, "Admitted", (double)total.admitted, "");
	put_number(out, "Deferred", (double)total.deferred, "");
	evbuffer_add_printf(out, "</div>");
}

static void put_neighbours(const struct status *s, struct evbuffer *out)
{
	const struct neighbour *who = foreign_who(&s->view, &s->neighbours);
	char text[1024] = "";
	struct text line = TEXT_OF(text);

	if (who) {
		foreign_describe(s->view.pressure.driver, who, &line);
		text_append(&line, ". What helps: ");
		foreign_advise(s->view.pressure.driver, who, &s->neighbours, &line);
		text_append(&line, ". ");
	}
	if (s->neighbours.leak.known) {
		text_append(&line, "Memory grows without end: ");
		foreign_describe_leak(&s->neighbours.leak, &line);
		text_append(&line, ".");
	}
	if (!text[0])
		return;
	evbuffer_add_printf(out, "<div class=card><h2>Neighbours</h2>");
	put_escaped(out, text);
	evbuffer_add_printf(out, "</div>");
}

static void put_resources(const struct status *s, struct evbuffer *out)
{
	const struct pressure *p = &s->view.pressure;

	evbuffer_add_printf(
		out,
		"<div class=card><h2>Pressure by resource (1.00: objective just met)</h2><table>");
	for (int r = 0; r < RESOURCE__COUNT; r++) {
		enum signal driver = p->resource_driver[r];
		char buffer[64] = "";
		struct text value = TEXT_OF(buffer);

		evbuffer_add_printf(out, "<tr><td>%s", resource_name((enum resource)r));
		if (!p->known[r]) {
			evbuffer_add_printf(out, "<td class=w colspan=4>not known");
			continue;
		}
		evbuffer_add_printf(
			out,
			"<td class=n>%.2f<td><span class=bar><i%s style='width:%.0f%%'></i></span>",
			p->resource[r], p->resource[r] >= 1 ? " class=over" : "",
			fmin(100, p->resource[r] * 50));
		if (driver >= SIGNAL__COUNT)
			continue;
		explain_value(&value, signal_info[driver].unit, s->sample.value[driver]);
		evbuffer_add_printf(out, "<td>%s %s<td class='w help'>%s (via %s)",
				    signal_info[driver].name, buffer, signal_info[driver].help,
				    via_name((enum via)s->sample.via[driver]));
	}
	evbuffer_add_printf(out, "</table></div>");
}

static void put_services(const struct status *s, struct evbuffer *out)
{
	evbuffer_add_printf(
		out,
		"<div class=card><h2>Services</h2><table><tr><th>service<th>law<th class=n>window<th class=n>in flight<th class=n>busy"
		"<th class=n>offered/s<th class=n>completed/s<th class=n>server time<th class=n>admitted<th class=n>deferred");
	for (unsigned i = 0; i < s->config->services; i++) {
		const struct window_view *w = &s->view.window[i];
		const struct load_service *l = &s->load.service[i];

		evbuffer_add_printf(out, "<tr><td>");
		put_escaped(out, s->config->service[i].name);
		evbuffer_add_printf(out, "<td>%s<td class=n>", window_law_name(w->law));
		if (w->law == LAW_OPEN)
			evbuffer_add_printf(out, "open");
		else
			evbuffer_add_printf(out, "%.0f", floor(w->window));
		evbuffer_add_printf(out, l->known & LOAD_IN_FLIGHT ? "<td class=n>%.0f" : "<td>",
				    l->in_flight);
		evbuffer_add_printf(out, l->known & LOAD_BUSY ? "<td class=n>%.0f" : "<td>",
				    l->busy);
		evbuffer_add_printf(out, "<td class=n>%.1f<td class=n>%.1f", w->offered_per_s,
				    w->completed_per_s);
		evbuffer_add_printf(out, w->server_time_s >= 0 ? "<td class=n>%.0f ms" : "<td>",
				    w->server_time_s * 1000);
		evbuffer_add_printf(out, "<td class=n>%llu<td class=n>%llu",
				    (unsigned long long)s->total[i].admitted,
				    (unsigned long long)s->total[i].deferred);
	}
	evbuffer_add_printf(out, "</table></div>");
}

static void put_fronts(const struct status *s, struct evbuffer *out)
{
	struct status_front f;

	evbuffer_add_printf(
		out,
		"<div class=card><h2>Fronts</h2><table><tr><th>front<th>state<th class=n>admitted<th class=n>deferred<th>by reason");
	if (s->fronts == 0)
		evbuffer_add_printf(out,
				    "<tr><td class=w colspan=5>none: nothing asks penstock yet; "
				    "enable front.gate, front.proxy or front.policy");
	for (unsigned i = 0; i < status_front_named(s, i, &f); i++) {
		evbuffer_add_printf(out, "<tr><td>");
		put_escaped(out, f.name);
		evbuffer_add_printf(out, "<td>%s", f.up ? "up" : "down: ");
		if (!f.up)
			put_escaped(out, f.why);
		evbuffer_add_printf(out, "<td class=n>%llu<td class=n>%llu<td class=w>",
				    (unsigned long long)f.sum.admitted,
				    (unsigned long long)f.sum.deferred);
		for (int r = 0, said = 0; r < REASON__COUNT; r++)
			if (f.sum.deferred_by[r])
				evbuffer_add_printf(out, "%s%s %llu", said++ ? ", " : "",
						    reason_name((enum reason)r),
						    (unsigned long long)f.sum.deferred_by[r]);
	}
	evbuffer_add_printf(out, "</table></div>");
}

static void put_sensors(const struct status *s, struct evbuffer *out)
{
	evbuffer_add_printf(
		out,
		"<div class=card><h2>Sensors</h2><table><tr><th>sensor<th>state<th class=n>signals<th>");
	for (unsigned i = 0; i < s->sensors; i++) {
		const struct sensor_status *sensor = &s->sensor[i];

		evbuffer_add_printf(out, "<tr><td>%s<td>%s<td class=n>%u<td class=w>", sensor->name,
				    sensor_state_name(sensor->state), sensor->signals);
		put_escaped(out, sensor->why);
	}
	evbuffer_add_printf(out, "</table></div>");
}

void page_render(const struct status *s, struct evbuffer *out)
{
	char when[32];

	evbuffer_add_printf(out, head, level_name(s->view.level.number));
	put_header(s, out);
	put_summary(s, out);
	put_neighbours(s, out);
	put_resources(s, out);
	put_services(s, out);
	put_fronts(s, out);
	put_sensors(s, out);
	evbuffer_add_printf(
		out,
		"<footer>penstock %s, picture of %s. <a href=status.json>status.json</a> "
		"<a href=metrics>metrics</a> <a href=healthz>healthz</a></footer>",
		s->version, json_time(s->realtime_us, when));
	evbuffer_add(out, tail, sizeof(tail) - 1);
}
