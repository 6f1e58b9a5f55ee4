#include "penstockctl/show.h"

#include <math.h>
#include <string.h>

#include "base/text.h"
#include "core/sample.h"
#include "publish/explain.h"

static const char *string(const json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value ? value : "?";
}

static double number(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return json_is_number(value) ? json_number_value(value) : -1;
}

static void show_number(FILE *out, const char *name, double value, const char *unit)
{
	if (value < 0)
		fprintf(out, "%s unknown", name);
	else
		fprintf(out, "%s %.*f%s", name, value == floor(value) || value >= 100 ? 0 : 2,
			value, unit);
}

static void show_value(FILE *out, const char *name, const json_t *signal)
{
	enum signal s = signal_by_name(name);
	char buffer[64] = "";
	struct text text = TEXT_OF(buffer);

	if (s < SIGNAL__COUNT)
		explain_value(&text, signal_info[s].unit, number(signal, "value"));
	fprintf(out, "%s %s via %s", name, buffer, string(signal, "via"));
}

static void show_resources(const json_t *status, FILE *out)
{
	const json_t *resources = json_object_get(status, "resources"), *resource;
	const char *name;

	json_object_foreach((json_t *)resources, name, resource)
	{
		const char *driver = json_string_value(json_object_get(resource, "driver"));
		double pressure = number(resource, "pressure");

		if (!json_is_true(json_object_get(resource, "known"))) {
			fprintf(out, "  %-8s not known: %s\n", name, string(resource, "reason"));
			continue;
		}
		fprintf(out, "  %-8s %6.2f  ", name, pressure < 0 ? 0 : pressure);
		for (int i = 0; i < 10; i++)
			fputc(i < pressure * 5 ? '#' : '.', out);
		if (driver) {
			fputs("  ", out);
			show_value(out, driver,
				   json_object_get(json_object_get(resource, "signals"), driver));
		}
		fputc('\n', out);
	}
}

static void show_services(const json_t *status, FILE *out)
{
	const json_t *service;
	const char *name;

	json_object_foreach(json_object_get(status, "services"), name, service)
	{
		fprintf(out, "  %-8s ", name);
		if (strcmp(string(service, "law"), "open") == 0)
			fprintf(out, "open: nothing is known to act on, everything is admitted");
		else
			fprintf(out, "window %.0f by the %s law", number(service, "window"),
				string(service, "law"));
		show_number(out, ", in flight", number(service, "in_flight"), "");
		show_number(out, ", busy", number(service, "busy"), "");
		show_number(out, ", offered", number(service, "offered_per_s"), "/s");
		show_number(out, ", completed", number(service, "completed_per_s"), "/s");
		if (number(service, "server_time_s") >= 0)
			show_number(out, ", server time", number(service, "server_time_s") * 1000,
				    " ms");
		fputc('\n', out);
	}
}

static void show_decisions(const json_t *status, FILE *out)
{
	const json_t *decisions = json_object_get(status, "decisions"), *front, *count;
	const char *name;
	int said = 0;

	fprintf(out, "  total    %.0f admitted, %.0f deferred", number(decisions, "admitted"),
		number(decisions, "deferred"));
	if (number(decisions, "would_defer") > 0)
		fprintf(out, ", %.0f would be deferred if enforcing",
			number(decisions, "would_defer"));
	json_object_foreach(json_object_get(decisions, "by_reason"), name, count)
		fprintf(out, "%s%s %.0f", said++ ? ", " : " (", name, json_number_value(count));
	fputs(said ? ")\n" : "\n", out);
	json_object_foreach(json_object_get(decisions, "by_front"), name, front)
	{
		bool up = json_is_true(json_object_get(front, "up"));

		fprintf(out, "  %-8s %s%s%s, %.0f admitted, %.0f deferred\n", name,
			up ? "up" : "down", up ? "" : ": ", up ? "" : string(front, "reason"),
			number(front, "admitted"), number(front, "deferred"));
	}
}

/* In a column eight wide, or in a sentence. */
static void show_duration(FILE *out, double s, bool column)
{
	if (s < 0)
		fprintf(out, " %*s", column ? 8 : 0, "-");
	else if (s < 120)
		fprintf(out, " %*.0f s", column ? 6 : 0, s);
	else if (s < 7200)
		fprintf(out, " %*.0f min", column ? 4 : 0, s / 60);
	else
		fprintf(out, " %*.1f h", column ? 6 : 0, s / 3600);
}

static void show_who_waits(const json_t *status, FILE *out)
{
	const json_t *sources = json_object_get(status, "sources");

	if (!json_is_true(json_object_get(sources, "known"))) {
		fprintf(out, "  not ranked: %s\n", string(sources, "reason"));
		return;
	}
	fprintf(out, "  %.0f known, %.0f wait", number(sources, "tracked"),
		number(sources, "deferred_waiting"));
	if (number(sources, "deferred_waiting") > 0) {
		fprintf(out, ", the longest for");
		show_duration(out, number(sources, "oldest_deferral_s"), false);
	}
	show_number(out, ", offered", number(sources, "offered_per_s"), "/s");
	if (number(sources, "credits_per_s") >= 0)
		show_number(out, ", room for", number(sources, "credits_per_s"), "/s");
	fputc('\n', out);
	if (json_is_true(json_object_get(sources, "bound_infeasible")))
		fprintf(out, "  BOUND INFEASIBLE: more is due by objective.longest_deferral and "
			     "longest_attempts than there is capacity for\n");
	if (json_is_true(json_object_get(sources, "waited_a_day")))
		fprintf(out, "  A SOURCE HAS WAITED FOR 24 H: senders begin to give mail up\n");
}

static void show_trouble(const json_t *status, FILE *out)
{
	const json_t *sensor, *config = json_object_get(status, "config");
	const char *name;

	json_object_foreach(json_object_get(status, "sensors"), name, sensor)
	{
		const char *why = string(sensor, "reason");

		if (strcmp(string(sensor, "state"), "ok") != 0 &&
		    strncmp(why, "not needed", strlen("not needed")) != 0)
			fprintf(out, "  sensor %s %s: %s\n", name, string(sensor, "state"), why);
	}
	if (json_is_false(json_object_get(config, "last_reload_successful")))
		fprintf(out,
			"  the last reload was refused, the configuration of %s is in force: see the log\n",
			string(config, "loaded"));
}

/* Who presses without being mail, and who leaks. */
static void show_neighbours(const json_t *status, FILE *out)
{
	const json_t *foreign = json_object_get(status, "foreign"),
		     *leak = json_object_get(status, "leak");

	if (json_is_object(foreign))
		fprintf(out, "  it is %s with %.0f %% of what is not the mail server's; %s\n",
			string(foreign, "unit"), number(foreign, "share") * 100,
			string(foreign, "advice"));
	if (json_is_object(leak))
		fprintf(out, "memory of %s grows without end: nothing is left in %.0f min\n",
			string(leak, "unit"), number(leak, "left_s") / 60);
}

static void show_head(const json_t *status, FILE *out)
{
	const json_t *driver = json_object_get(status, "driver");

	fprintf(out, "%s since %s, %s, %s\n", string(status, "level_name"), string(status, "since"),
		string(status, "state"), string(status, "mode"));
	if (json_object_get(status, "order_until"))
		fprintf(out, "  until %s\n", string(status, "order_until"));
	if (json_string_length(json_object_get(status, "order_reason")))
		fprintf(out, "  reason: %s\n", string(status, "order_reason"));
	show_number(out, "pressure", number(status, "pressure"), "");
	if (json_is_object(driver))
		fprintf(out, ", driven by %s (%s)", string(driver, "resource"),
			string(driver, "signal"));
	if (json_is_true(json_object_get(status, "foreign_pressure")))
		fprintf(out, ", a neighbour's: refusing mail would not lower it");
	fputc('\n', out);
	show_neighbours(status, out);
	show_number(out, "window", number(status, "window"), "");
	show_number(out, ", in flight", number(status, "in_flight"), "");
	show_number(out, ", admitted lately", number(status, "admit_ratio") * 100, " %");
	fputc('\n', out);
}

void show_status(const json_t *status, FILE *out)
{
	show_head(status, out);
	fprintf(out, "\nresources (1.00: objective just met)\n");
	show_resources(status, out);
	fprintf(out, "\nservices\n");
	show_services(status, out);
	fprintf(out, "\ndecisions\n");
	show_decisions(status, out);
	fprintf(out, "\nsources\n");
	show_who_waits(status, out);
	fprintf(out, "\n");
	show_trouble(status, out);
}

void show_change(const json_t *change, FILE *out)
{
	const json_t *driver = json_object_get(change, "driver");

	fprintf(out, "%s %s, %s, %s", string(change, "at"), string(change, "level_name"),
		string(change, "state"), string(change, "mode"));
	show_number(out, ", pressure", number(change, "pressure"), "");
	if (json_is_object(driver))
		fprintf(out, " (%s, %s)", string(driver, "resource"), string(driver, "signal"));
	fputc('\n', out);
}

void show_sources(const json_t *sources, FILE *out)
{
	const json_t *source;
	size_t i;

	if (json_array_size(sources) == 0) {
		fprintf(out, "nobody was seen lately\n");
		return;
	}
	fprintf(out, "%-39s %-9s %8s %4s %8s %-7s %4s %9s %9s %9s %9s\n", "SOURCE", "STATE",
		"WAITS", "TRY", "IN AFTER", "BAND", "RANK", "RATE s/s", "USUALLY", "CONN/MIN",
		"DEFERRED");
	json_array_foreach(sources, i, source)
	{
		const char *pool = json_string_value(json_object_get(source, "pool"));
		bool waits = json_is_true(json_object_get(source, "waiting"));
		const char *heavy = string(source, "heavy");

		fprintf(out, "%-39s %-9s", pool ? pool : string(source, "address"),
			strcmp(heavy, "no") != 0 ? heavy
			: waits			 ? "waits"
						 : "served");
		show_duration(out, waits ? number(source, "age_s") : -1, true);
		fprintf(out, " %4.0f", fmax(0, number(source, "attempts")));
		show_duration(out, number(source, "admitted_in_s"), true);
		fprintf(out, " %-7s %4.0f %9.3g %9.3g %9.0f %9.0f\n", string(source, "band"),
			number(source, "rank"), number(source, "rate"),
			fmax(0, number(source, "usual_rate")),
			number(source, "connections_per_min"), number(source, "deferred_total"));
	}
}
