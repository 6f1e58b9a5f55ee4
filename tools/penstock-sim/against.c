#include "penstock-sim/against.h"

#include "penstock-sim/distance.h"
#include "penstock-sim/run.h"

static void run_against(const struct scenario *scenario, const struct ticks *recorded,
			const uint64_t *arrival_us, uint32_t arrivals, uint64_t seed,
			struct distance *ret)
{
	static struct run run;
	struct ticks simulated = { 0 };
	const struct against against = { .recorded = recorded,
					 .arrival_us = arrival_us,
					 .arrivals = arrivals,
					 .simulated = &simulated };

	run_init(&run, scenario, arrivals ? SIM_PENSTOCK : SIM_NONE, seed, false);
	run.against = &against;
	run_all(&run);
	distance_between(recorded, &simulated, ret);
	if (!arrivals) /* there was no client to refuse */
		ret->figure[DISTANCE_REFUSED].simulated = -1;
	run_done(&run);
	ticks_done(&simulated);
}

int against_print(const struct scenario *scenario, const char *trace, uint64_t seed, bool json,
		  FILE *out)
{
	struct scenario lasting = *scenario;
	struct ticks recorded = { 0 };
	struct distance plant, law;
	uint64_t *arrival_us;
	uint32_t arrivals;
	char why[128];
	int r = ticks_read(&recorded, trace, why);

	if (r < 0) {
		fprintf(stderr, "penstock-sim: Cannot compare with %s: %s.\n", trace, why);
		ticks_done(&recorded);
		return r;
	}
	if (lasting.end_s <= 0 || lasting.end_s > recorded.tick[recorded.count - 1].at_s)
		lasting.end_s = recorded.tick[recorded.count - 1].at_s;
	arrival_us = ticks_arrivals(&recorded, &arrivals);
	run_against(&lasting, &recorded, NULL, 0, seed, &plant);
	run_against(&lasting, &recorded, arrival_us, arrivals, seed, &law);
	if (json) {
		json_t *both = json_pack("{sf, so, so}", "seconds", lasting.end_s, "plant",
					 distance_json(&plant), "law", distance_json(&law));

		json_dumpf(both, out, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
		fputc('\n', out);
		json_decref(both);
	} else {
		fprintf(out, "with as many sessions at a time, %.0f s:\n", lasting.end_s);
		distance_say(out, &plant);
		fprintf(out, "with those that came, and the verdicts of the law:\n");
		distance_say(out, &law);
	}
	free(arrival_us);
	ticks_done(&recorded);
	return 0;
}
