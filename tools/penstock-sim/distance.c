#include "penstock-sim/distance.h"

#include <math.h>
#include <stdlib.h>

#include "penstock-sim/grow.h"

#define FLOOR 0.25 /* share of the mean: errors are relative to at least this */
#define MISSING (-1.0)

/* The value of a figure, in a second or in the whole run: `sum` / `by`. */
struct part {
	double sum, by;
};

static const struct {
	const char *name, *label;
	bool is_count;
} figures[DISTANCE__COUNT] = {
	[DISTANCE_COMPLETED] = { "completed", "completed", true },
	[DISTANCE_BUSY] = { "busy", "busy sessions", false },
	[DISTANCE_TIME] = { "time", "server time T, s", false },
	[DISTANCE_CPU] = { "cpu", "CPU, cores", false },
	[DISTANCE_FILTER] = { "filter", "filter's CPU, cores", false },
	[DISTANCE_REFUSED] = { "refused", "refused", true },
};

static void add(struct part *parts, const struct tick *t)
{
	const struct part of[DISTANCE__COUNT] = {
		[DISTANCE_COMPLETED] = { (double)t->completed, t->length_s },
		[DISTANCE_BUSY] = { t->busy_s, t->length_s },
		[DISTANCE_TIME] = { t->server_s, (double)t->finished },
		[DISTANCE_CPU] = { fmax(0, t->cpu_cores) * t->length_s,
				   t->cpu_cores >= 0 ? t->length_s : 0 },
		[DISTANCE_FILTER] = { fmax(0, t->filter_cores) * t->length_s,
				      t->filter_cores >= 0 ? t->length_s : 0 },
		[DISTANCE_REFUSED] = { (double)t->deferred, (double)t->offered },
	};

	for (int f = 0; f < DISTANCE__COUNT; f++) {
		parts[f].sum += of[f].sum;
		parts[f].by += of[f].by;
	}
}

static double value(enum distance_figure f, const struct part *p)
{
	if (p->by <= 0)
		return figures[f].is_count && p->sum > 0 ? p->sum : MISSING;
	return figures[f].is_count ? p->sum : p->sum / p->by;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double quantile(double *errors, uint32_t count, double q)
{
	if (!count)
		return MISSING;
	qsort(errors, count, sizeof(*errors), ascending);
	return errors[(uint32_t)(q * (count - 1) + .5)];
}

/* The error, relative to the recorded value or to `least`, whichever is larger. */
static double apart(double recorded, double simulated, double least)
{
	double by = fmax(recorded, least);

	if (recorded < 0 || simulated < 0 || (recorded <= 0 && simulated <= 0))
		return MISSING;
	return by > 0 ? fabs(simulated - recorded) / by : INFINITY;
}

typedef struct part second[DISTANCE__COUNT];

static second *seconds_of(const struct ticks *t, uint32_t count, struct part *whole)
{
	second *seconds = grow_zeroed(count, sizeof(*seconds));

	for (uint32_t i = 0; i < t->count; i++) {
		uint32_t at = (uint32_t)t->tick[i].at_s;

		if (at >= count)
			break;
		add(seconds[at], &t->tick[i]);
		add(whole, &t->tick[i]);
	}
	return seconds;
}

void distance_between(const struct ticks *recorded, const struct ticks *simulated,
		      struct distance *ret)
{
	uint32_t count = (uint32_t)fmin(recorded->tick[recorded->count - 1].at_s,
					simulated->tick[simulated->count - 1].at_s);
	struct part whole[2][DISTANCE__COUNT] = { 0 };
	second *a = seconds_of(recorded, count, whole[0]);
	second *b = seconds_of(simulated, count, whole[1]);
	double *errors = grow_zeroed(count, sizeof(*errors));

	for (int i = 0; i < DISTANCE__COUNT; i++) {
		enum distance_figure f = (enum distance_figure)i;
		double x = value(f, &whole[0][f]), y = value(f, &whole[1][f]);
		double mean = figures[f].is_count && count ? x / count : x;
		uint32_t n = 0;

		for (uint32_t s = 0; s < count; s++) {
			double least = f == DISTANCE_REFUSED ? a[s][f].by : FLOOR * mean;
			double e = apart(value(f, &a[s][f]), value(f, &b[s][f]), least);

			if (e >= 0)
				errors[n++] = e;
		}
		ret->figure[f].recorded = x;
		ret->figure[f].simulated = y;
		ret->figure[f].whole = apart(x, y, f == DISTANCE_REFUSED ? whole[0][f].by : 0);
		ret->figure[f].median = quantile(errors, n, .5);
		ret->figure[f].p90 = quantile(errors, n, .9);
	}
	free(errors);
	free(a);
	free(b);
}

static void say_share(FILE *out, double share)
{
	if (share < 0)
		fprintf(out, " %8s", "-");
	else
		fprintf(out, " %6.0f %%", 100 * share);
}

void distance_say(FILE *out, const struct distance *d)
{
	fprintf(out, "  %-18s %9s %9s %8s %8s %8s\n", "", "recorded", "simulated", "apart",
		"median", "p90");
	for (int f = 0; f < DISTANCE__COUNT; f++) {
		int digits = figures[f].is_count ? 0 : 3;

		if (d->figure[f].recorded < 0 || d->figure[f].simulated < 0)
			continue;
		fprintf(out, "  %-18s %9.*f %9.*f", figures[f].label, digits, d->figure[f].recorded,
			digits, d->figure[f].simulated);
		say_share(out, d->figure[f].whole);
		say_share(out, d->figure[f].median);
		say_share(out, d->figure[f].p90);
		fputc('\n', out);
	}
}

static json_t *number(double x)
{
	return x < 0 || !isfinite(x) ? json_null() : json_real(x);
}

json_t *distance_json(const struct distance *d)
{
	json_t *json = json_object();

	for (int f = 0; f < DISTANCE__COUNT; f++)
		json_object_set_new(
			json, figures[f].name,
			json_pack("{so, so, so, so, so}", "recorded", number(d->figure[f].recorded),
				  "simulated", number(d->figure[f].simulated), "apart",
				  number(d->figure[f].whole), "median", number(d->figure[f].median),
				  "p90", number(d->figure[f].p90)));
	return json;
}
