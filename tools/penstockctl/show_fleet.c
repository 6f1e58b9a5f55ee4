#include "penstockctl/field.h"
#include "penstockctl/show.h"
#include "base/duration.h"
#include "publish/words.h"

void show_fleet(const json_t *fleet, FILE *out)
{
	const json_t *host;
	size_t i;

	if (!json_is_true(json_object_get(fleet, "enabled"))) {
		fprintf(out, "This host is alone: fleet.servers is not set.\n");
		return;
	}
	if (json_is_true(json_object_get(fleet, "connected")))
		fprintf(out, "store %s: connected%s, %.0f senders known together\n\n",
			string(fleet, "server"),
			json_is_true(json_object_get(fleet, "caught_up")) ? "" : ", still reading",
			number(fleet, "tracked"));
	else
		fprintf(out, "store %s: NOT CONNECTED: %s; this host decides alone\n\n",
			string(fleet, "server"), string(fleet, "reason"));
	fprintf(out, "%-32s %-9s %-11s %-8s %7s %9s %7s\n", "host", "level", "state", "mode",
		"window", "in flight", "demand");
	json_array_foreach(json_object_get(fleet, "hosts"), i, host)
	{
		char window[24] = "open", demand[24] = "-", age[DURATION_PRINTED];

		if (number(host, "window") >= 0)
			snprintf(window, sizeof(window), "%.0f", number(host, "window"));
		if (number(host, "demand_ratio") >= 0)
			snprintf(demand, sizeof(demand), "%.0f %%",
				 100 * number(host, "demand_ratio"));
		fprintf(out, "%-32s ", string(host, "name"));
		if (json_is_true(json_object_get(host, "silent")))
			fprintf(out, "silent for %s\n", duration_print(number(host, "age_s"), age));
		else
			fprintf(out, "%-9s %-11s %-8s %7s %9.0f %7s\n", string(host, "level_name"),
				string(host, "state"), string(host, "mode"), window,
				number(host, "in_flight"), demand);
	}
	if (json_is_true(json_object_get(fleet, "sends_on")))
		fprintf(out, "\nAnother host has room: no client waits here for longer than a "
			     "second, for senders that are told 451 try the next MX at once.\n");
}
