#include <math.h>
#include <string.h>

#include "penstockctl/field.h"
#include "penstockctl/show.h"
#include "penstockctl/show_parts.h"

void show_who_waits(const json_t *sources, FILE *out)
{
	if (!json_is_true(json_object_get(sources, "known"))) {
		fprintf(out, "  not ranked: %s\n", string(sources, "reason"));
		return;
	}
	fprintf(out, "  %.0f in the ledger, %.0f wait", number(sources, "tracked"),
		number(sources, "deferred_waiting"));
	if (number(sources, "deferred_waiting") > 0) {
		fprintf(out, ", the longest for");
		show_duration(out, number(sources, "oldest_deferral_s"), false);
	}
	fputc('\n', out);
	if (json_is_true(json_object_get(sources, "bound_infeasible")))
		fprintf(out, "  BOUND INFEASIBLE: more is due by objective.longest_deferral and "
			     "longest_attempts than there is capacity for\n");
	if (json_is_true(json_object_get(sources, "waited_a_day")))
		fprintf(out, "  A SOURCE HAS WAITED FOR 24 H: senders begin to give mail up\n");
}

void show_sources(const json_t *sources, FILE *out)
{
	const json_t *source;
	size_t i;

	if (json_array_size(sources) == 0) {
		fprintf(out, "no source was seen lately\n");
		return;
	}
	fprintf(out, "%-39s %-9s %8s %5s %8s %-8s %4s %9s %9s %9s %9s\n", "SOURCE", "STATE",
		"WAITS", "TRIES", "NEXT IN", "BAND", "RANK", "RATE s/s", "USUALLY", "CONN/MIN",
		"DEFERRED");
	json_array_foreach(sources, i, source)
	{
		const char *pool = json_string_value(json_object_get(source, "pool"));
		bool waits = json_is_true(json_object_get(source, "deferred"));
		const char *heavy = string(source, "heavy");

		fprintf(out, "%-39s %-9s", pool ? pool : string(source, "address"),
			strcmp(heavy, "no") != 0 ? heavy
			: waits			 ? "waits"
						 : "served");
		show_duration(out, waits ? number(source, "age_s") : -1, true);
		fprintf(out, " %5.0f", fmax(0, number(source, "attempts")));
		show_duration(out, number(source, "admitted_in_s"), true);
		fprintf(out, " %-8s %4.0f %9.3g %9.3g %9.0f %9.0f\n", string(source, "band"),
			number(source, "rank"), number(source, "rate"),
			fmax(0, number(source, "usual_rate")),
			number(source, "connections_per_min"), number(source, "deferred_total"));
	}
}
