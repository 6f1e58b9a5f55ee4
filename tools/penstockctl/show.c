#include "penstockctl/show.h"

#include <string.h>

#include "base/clock.h"
#include "base/duration.h"
#include "base/text.h"
#include "core/sample.h"
#include "penstockctl/field.h"
#include "penstockctl/show_parts.h"
#include "publish/words.h"

#define FAULT_RECENT_S 900

static void show_value(FILE *out, const char *name, const json_t *signal)
{
	enum signal s = signal_by_name(name);
	char buffer[64] = "";
	struct text text = TEXT_OF(buffer);

	if (s < SIGNAL__COUNT)
		words_signal(&text, s, number(signal, "value"));
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
		char lasting[DURATION_PRINTED], buffer[64] = "";
		struct text server_time = TEXT_OF(buffer);

		fprintf(out, "  %-8s ", name);
		if (strcmp(string(service, "law"), "open") == 0)
			fprintf(out,
				"open: no signal is known that could decide, and every connection is admitted");
		else
			fprintf(out, "window %.0f by the %s law", number(service, "window"),
				string(service, "law"));
		if (strcmp(string(service, "law"), "capacity") == 0)
			fprintf(out, " (%s)", string(service, "regime"));
		show_number(out, ", in flight", number(service, "in_flight"), "");
		if (number(service, "held") > 0) {
			show_number(out, ", waiting for a place", number(service, "held"), "");
			fprintf(out, " for up to %s",
				duration_print(number(service, "held_longest_s"), lasting));
		}
		show_number(out, ", busy", number(service, "busy"), "");
		show_number(out, ", offered", number(service, "offered_per_s"), "/s");
		show_number(out, ", completed", number(service, "completed_per_s"), "/s");
		if (number(service, "server_time_s") >= 0) {
			words_signal(&server_time, SIGNAL_SERVER_TIME_US,
				     number(service, "server_time_s") * US_PER_S);
			fprintf(out, ", server time %s", server_time.data);
		}
		fputc('\n', out);
	}
}

static void show_decisions(const json_t *status, FILE *out)
{
	const json_t *decisions = json_object_get(status, "decisions"), *front, *count;
	double would_defer = number(decisions, "would_defer"),
	       would_hold = number(decisions, "would_hold");
	const char *name;
	int said = 0;

	fprintf(out, "  total    %.0f admitted, %.0f deferred", number(decisions, "admitted"),
		number(decisions, "deferred"));
	json_object_foreach(json_object_get(decisions, "by_reason"), name, count)
		fprintf(out, "%s%s %.0f%s", said++ ? ", " : " (", name, json_number_value(count),
			strcmp(name, "late") == 0 ? " of the admitted" : "");
	fputs(said ? ")" : "", out);
	if (would_defer > 0)
		fprintf(out, ", %.0f would have been deferred if enforcing",
			would_defer - would_hold);
	if (would_hold > 0)
		fprintf(out, ", and %.0f would have waited for a place first", would_hold);
	fputs("\n", out);
	json_object_foreach(json_object_get(decisions, "by_front"), name, front)
	{
		bool up = json_is_true(json_object_get(front, "up"));

		fprintf(out, "  %-8s %s%s%s, %.0f admitted, %.0f deferred\n", name,
			up ? "up" : "down", up ? "" : ": ", up ? "" : string(front, "reason"),
			number(front, "admitted"), number(front, "deferred"));
	}
}

static void show_faults(const json_t *status, FILE *out)
{
	const json_t *fault;
	char age[DURATION_PRINTED];
	const char *name;

	json_object_foreach(json_object_get(status, "faults"), name, fault)
	{
		if (number(fault, "last_s") > FAULT_RECENT_S)
			continue;
		fprintf(out, "  FAULT %s: %.0f times, the last %s ago. %s. %s. %s.\n", name,
			number(fault, "count"), duration_print(number(fault, "last_s"), age),
			string(fault, "what"), string(fault, "consequence"),
			string(fault, "remedy"));
	}
}

static void show_trouble(const json_t *status, FILE *out)
{
	const json_t *sensor, *config = json_object_get(status, "config");
	const json_t *fleet = json_object_get(status, "fleet");
	const char *name;

	if (json_is_true(json_object_get(fleet, "enabled")) &&
	    !json_is_true(json_object_get(fleet, "connected")))
		fprintf(out, "  fleet: this host decides alone: %s: %s\n", string(fleet, "server"),
			string(fleet, "reason"));

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

/* The filters to which the mail server passes its mail. */
static void show_filters(const json_t *status, FILE *out)
{
	const json_t *filters = json_object_get(status, "filters");
	const json_t *stage = json_object_get(status, "second_stage");

	for (size_t i = 0; i < json_array_size(filters); i++)
		fprintf(out, "the filter: %s\n", string(json_array_get(filters, i), "sentence"));
	if (number(stage, "allowed_per_s") > 0)
		fprintf(out,
			"  about %.0f messages wait for it, so no more than %.1f/s are let in; see penstockctl explain\n",
			number(stage, "behind"), number(stage, "allowed_per_s"));
}

/* Other programs that cause pressure, or leak memory. */
static void show_neighbours(const json_t *status, FILE *out)
{
	const json_t *foreign = json_object_get(status, "foreign"),
		     *leak = json_object_get(status, "leak");
	char left[DURATION_PRINTED];

	if (json_is_object(foreign))
		fprintf(out, "  caused by %s: %.0f %% of what is not the mail server's; %s\n",
			string(foreign, "unit"), number(foreign, "share") * 100,
			string(foreign, "advice"));
	if (json_is_object(leak))
		fprintf(out, "memory of %s keeps growing: none is left in %s\n",
			string(leak, "unit"), duration_print(number(leak, "left_s"), left));
}

/* Coming maintenance; the first sentence has the one in force. */
static void show_maintenance(const json_t *maintenance, FILE *out)
{
	const json_t *next = json_object_get(maintenance, "next");

	if (json_is_object(next))
		fprintf(out, "maintenance from %s to %s%s%s\n", string(next, "begin"),
			string(next, "end"), string(next, "reason")[0] ? ": " : "",
			string(next, "reason"));
	if (json_is_string(json_object_get(maintenance, "problem")))
		fprintf(out, "a maintenance window cannot be obeyed: %s\n",
			string(maintenance, "problem"));
}

/* "in flight 11 of 166: mx 11 of 11, submission 0 of 155": the sum alone would hide that one is
 * full. */
static void show_sessions(const json_t *status, FILE *out)
{
	const json_t *services = json_object_get(status, "services"), *service;
	const char *name, *before = ": ";

	show_number(out, "in flight", number(status, "in_flight"), "");
	show_number(out, " of", number(status, "window"), "");
	if (json_object_size(services) > 1)
		json_object_foreach((json_t *)services, name, service)
		{
			fprintf(out, "%s%s", before, name);
			show_number(out, "", number(service, "in_flight"), "");
			if (number(service, "window") < 0)
				fprintf(out, " (open)");
			else
				show_number(out, " of", number(service, "window"), "");
			before = ", ";
		}
	show_number(out, "; admitted lately",
		    (1 - number(json_object_get(status, "headline"), "deferred_ratio")) * 100,
		    " %");
	fputc('\n', out);
}

/* In the words of explain: the pressure of the machine, and beside it the demand. Only the first
 * can be a neighbour's. */
static void show_pressure(const json_t *status, FILE *out)
{
	const json_t *driver = json_object_get(status, "driver");

	show_number(out, "pressure", number(status, "pressure"), "");
	if (json_is_object(driver))
		fprintf(out, ", driven by %s (%s)", string(driver, "resource"),
			string(driver, "signal"));
	if (json_is_true(json_object_get(status, "foreign_pressure")))
		fprintf(out, ", a neighbour's: refusing mail would not lower it");
	if (number(status, "demand_ratio") >= 0)
		fprintf(out, "; demand %.2f (offered / what can be carried)",
			number(status, "demand_ratio"));
	fputc('\n', out);
}

static void show_head(const json_t *status, FILE *out)
{
	const json_t *headline = json_object_get(status, "headline");

	fprintf(out, "%s\n", string(headline, "sentence"));
	if (json_is_string(json_object_get(headline, "advice")))
		fprintf(out, "%s\n", string(headline, "advice"));
	fprintf(out, "level %s since %s, state %s, mode %s\n", string(status, "level_name"),
		string(status, "since"), string(status, "state"), string(status, "mode"));
	if (json_object_get(status, "order_until"))
		fprintf(out, "  until %s\n", string(status, "order_until"));
	if (json_string_length(json_object_get(status, "order_reason")))
		fprintf(out, "  reason: %s\n", string(status, "order_reason"));
	show_maintenance(json_object_get(status, "maintenance"), out);
	show_pressure(status, out);
	show_neighbours(status, out);
	show_filters(status, out);
	show_sessions(status, out);
}

void show_status(const json_t *status, FILE *out)
{
	show_head(status, out);
	fprintf(out, "\nresources (pressure = signal / target; 1.00: the target is just met)\n");
	show_resources(status, out);
	fprintf(out, "\nservices\n");
	show_services(status, out);
	fprintf(out, "\ndecisions\n");
	show_decisions(status, out);
	show_faults(status, out);
	fprintf(out, "\nsources\n");
	show_who_waits(json_object_get(status, "sources"), out);
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
