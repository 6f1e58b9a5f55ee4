/* penstock-sim: the daemon's very core/ against a simulated mail server, in virtual time. */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "config/engine_config.h"
#include "core/splitmix.h"
#include "penstock-sim/scenario.h"

#define TICKS 36000 /* of history: an hour */

static const char usage[] =
	"Usage: penstock-sim [--seed N] [--json] [--trace] SCENARIO\n"
	"Runs a scenario in virtual time; exit 1 when an expectation is not met.\n"
	"\n"
	"Lines of a scenario:\n"
	"  plant KEY=VALUE...     cores machine cost lookup think commit session_memory memory slots knee thrash;\n"
	"                         hidden-cost, hidden-dialogue\n"
	"  at S set NAME VALUE    NAME: offered (connections a second), neighbour (cores that others take), commit, cost,\n"
	"                         stuck (1: the server does nothing), or a signal (a value, or absent)\n"
	"  at S ramp NAME to VALUE over S\n"
	"  at S order drain|resume|observe|enforce\n"
	"  at S expect NAME OP VALUE [over S]   mean over the last S (1): goodput, in_time (completed a second),\n"
	"                         refused (a second), window, in_flight, pressure, capacity, latency_worst (s), level,\n"
	"                         state, foreign, oom_kills, level_changes, refused_total, reason.NAME (refused so)\n"
	"  end S\n";

struct row {
	double completed, in_time, refused, window, in_flight, pressure, capacity, latency;
};

struct run {
	struct scenario *scenario;
	struct plant *plant;
	struct engine engine;
	struct plan plan;
	struct plan_bucket bucket;
	double offered, signal[SIGNAL__COUNT];
	bool signal_set[SIGNAL__COUNT];
	struct row *rows;
	unsigned ticks, failed;
	bool trace;
};

static double *variable(struct run *r, const char *name)
{
	if (strcmp(name, "offered") == 0)
		return &r->offered;
	if (strcmp(name, "neighbour") == 0)
		return &r->plant->neighbour;
	if (strcmp(name, "commit") == 0)
		return &r->plant->config.commit_s;
	if (strcmp(name, "cost") == 0)
		return &r->plant->config.cost_s;
	if (strcmp(name, "think") == 0)
		return &r->plant->config.think_s;
	if (strcmp(name, "stuck") == 0)
		return &r->plant->stuck;
	return NULL;
}

/* ---- expectations ------------------------------------------------------------------------------------------------ */

static double mean(const struct run *r, size_t offset, double over_s)
{
	unsigned n = (unsigned)fmax(1, fmin(over_s * 10, r->ticks));
	double sum = 0;

	for (unsigned i = r->ticks - n; i < r->ticks; i++)
		sum += *(const double *)((const char *)&r->rows[i] + offset);
	return sum / n;
}

static double worst(const struct run *r, double over_s)
{
	unsigned n = (unsigned)fmax(1, fmin(over_s * 10, r->ticks));
	double most = 0;

	for (unsigned i = r->ticks - n; i < r->ticks; i++)
		most = fmax(most, r->rows[i].latency);
	return most;
}

static int measure(const struct run *r, const struct event *e, double *ret)
{
	static const struct {
		const char *name;
		size_t offset;
		double scale;
	} columns[] = { { "goodput", offsetof(struct row, completed), 10 },
			{ "in_time", offsetof(struct row, in_time), 10 },
			{ "refused", offsetof(struct row, refused), 10 },
			{ "window", offsetof(struct row, window), 1 },
			{ "in_flight", offsetof(struct row, in_flight), 1 },
			{ "pressure", offsetof(struct row, pressure), 1 },
			{ "capacity", offsetof(struct row, capacity), 1 } };
	const struct engine_view *v = &r->engine.view;
	double changes = 0;

	for (size_t i = 0; i < ARRAY_SIZE(columns); i++)
		if (strcmp(columns[i].name, e->name) == 0) {
			*ret = columns[i].scale * mean(r, columns[i].offset, e->over_s);
			return 0;
		}
	for (int i = 0; i < LEVEL__COUNT; i++)
		changes += (double)v->level.changes[i];
	for (int i = 0; i < REASON__COUNT; i++)
		if (strncmp(e->name, "reason.", 7) == 0 &&
		    strcmp(reason_name((enum reason)i), e->name + 7) == 0) {
			*ret = (double)(r->plant->counts.deferred_by[i]);
			return 0;
		}
	*ret = strcmp(e->name, "level") == 0	       ? v->level.number
	       : strcmp(e->name, "state") == 0	       ? v->state
	       : strcmp(e->name, "foreign") == 0       ? v->foreign
	       : strcmp(e->name, "oom_kills") == 0     ? (double)r->plant->oom_kills
	       : strcmp(e->name, "level_changes") == 0 ? changes
	       : strcmp(e->name, "refused_total") == 0 ? (double)r->plant->counts.deferred
	       : strcmp(e->name, "would_defer") == 0   ? (double)r->plant->counts.would_defer
	       : strcmp(e->name, "latency_worst") == 0 ? worst(r, e->over_s)
						       : NAN;
	return isnan(*ret) ? -EINVAL : 0;
}

static bool holds(double value, const char *operator, double wanted)
{
	if (strcmp(operator, "<") == 0)
		return value < wanted;
	if (strcmp(operator, "<=") == 0)
		return value <= wanted;
	if (strcmp(operator, ">") == 0)
		return value > wanted;
	if (strcmp(operator, ">=") == 0)
		return value >= wanted;
	if (strcmp(operator, "==") == 0)
		return value == wanted;
	return strcmp(operator, "!=") == 0 && value != wanted;
}

static void expect(struct run *r, const struct event *e)
{
	double value = 0;
	bool known = measure(r, e, &value) == 0, met = known && holds(value, e->operator, e->value);

	if (!met) {
		r->failed++;
		fprintf(stderr, "line %u: %s: %s %g\n", e->line, e->text,
			known ? "it is" : "there is no such thing to measure,", value);
	}
}

/* ---- the run ----------------------------------------------------------------------------------------------------- */

static void order(struct run *r, const char *name)
{
	if (strcmp(name, "drain") == 0)
		engine_order(&r->engine, STATE_DRAINING, 0, "scenario");
	else if (strcmp(name, "resume") == 0)
		engine_order(&r->engine, STATE_SERVING, 0, NULL);
	else
		engine_set_mode(&r->engine,
				strcmp(name, "observe") == 0 ? PLAN_OBSERVE : PLAN_ENFORCE);
}

static void apply_events(struct run *r, double now_s)
{
	for (unsigned i = 0; i < r->scenario->events; i++) {
		struct event *e = &r->scenario->event[i];
		double *v = variable(r, e->name), share;

		if (e->done || now_s < e->at_s)
			continue;
		e->done = true;
		if (e->kind == EVENT_SIGNAL) {
			enum signal s = signal_by_name(e->name);

			r->signal_set[s] = true;
			r->signal[s] = e->value;
		} else if (e->kind == EVENT_ORDER) {
			order(r, e->name);
		} else if (e->kind == EVENT_EXPECT) {
			expect(r, e);
		} else if (!v) {
			fprintf(stderr, "line %u: there is nothing called %s to set\n", e->line,
				e->name);
			r->failed++;
		} else if (e->kind == EVENT_SET) {
			*v = e->value;
		} else {
			if (e->from == 0)
				e->from = *v + 1e-12;
			share = e->over_s > 0 ? fmin(1, (now_s - e->at_s) / e->over_s) : 1;
			*v = e->from + (e->value - e->from) * share;
			e->done = share >= 1;
		}
	}
}

/* One connection asks, as the proxy does. */
static void offer(struct run *r)
{
	struct plant *p = r->plant;
	unsigned waiting = 0;
	struct plan_request request = { .now_us = p->now_us,
					.in_flight = p->count,
					.score = PLAN_UNLIMITED,
					.tokens_milli = plan_bucket_refill(
						&r->bucket, &r->plan.service[0], p->now_us) };
	struct verdict v;

	for (unsigned i = 0; i < p->count; i++)
		waiting += !p->session[i].greeted;
	request.waiting = waiting;
	v = plan_decide(&r->plan, &request);
	counts_verdict(&p->counts, v);
	if (!v.admit)
		return;
	if (!v.would_defer)
		plan_bucket_take(&r->bucket);
	plant_open(p);
}

/* Poisson: the number of arrivals in a millisecond. */
static unsigned arrivals(struct run *r)
{
	double limit = exp(-r->offered / 1000), product = splitmix_unit(&r->plant->random);
	unsigned n = 0;

	while (product > limit && n < 1000) {
		n++;
		product *= splitmix_unit(&r->plant->random);
	}
	return n;
}

static void put_quantiles(struct run *r, struct sample *sample, const uint64_t *before)
{
	double p99 = counts_quantile(r->plant->counts.connect_220, before, .99);

	if (p99 < 0 || !r->plant->config.see_dialogue)
		return;
	sample_put(sample, SIGNAL_CONNECT_220_P99_US, p99, VIA_FRONT);
	sample_put(sample, SIGNAL_CONNECT_220_P50_US,
		   counts_quantile(r->plant->counts.connect_220, before, .5), VIA_FRONT);
}

static void tick(struct run *r)
{
	static uint64_t before[COUNTS_SLOTS];
	struct sample sample, whole;
	struct load load;
	struct plant *p = r->plant;
	struct row *row = &r->rows[r->ticks];
	static struct {
		uint64_t completed, in_time, deferred;
	} last;

	if (r->ticks == 0) {
		memset(before, 0, sizeof(before));
		memset(&last, 0, sizeof(last));
	}
	sample_clear(&whole, p->now_us);
	for (int s = 0; s < SIGNAL__COUNT; s++)
		if (r->signal_set[s] && r->signal[s] >= 0)
			sample_put(&whole, (enum signal)s, r->signal[s], VIA_PROCFS);
	plant_observe(p, &whole, &load);
	put_quantiles(r, &whole, before);
	memcpy(before, p->counts.connect_220, sizeof(before));
	sample = whole;
	for (int s = 0; s < SIGNAL__COUNT; s++)
		if (r->signal_set[s] && r->signal[s] < 0)
			sample.via[s] = VIA_NONE;
	engine_step(&r->engine, &sample, &load, p->now_us, &r->plan);
	*row = (struct row){ .completed = (double)(p->counts.completed - last.completed),
			     .in_time = (double)(p->in_time - last.in_time),
			     .refused = (double)(p->counts.deferred - last.deferred),
			     .window = r->engine.view.window[0].window,
			     .in_flight = p->count,
			     .pressure = r->engine.view.pressure.combined,
			     .capacity = r->engine.view.window[0].capacity_per_s,
			     .latency = p->latency_worst_s };
	p->latency_worst_s = 0;
	last.completed = p->counts.completed;
	last.in_time = p->in_time;
	last.deferred = p->counts.deferred;
	r->ticks++;
	if (r->trace && r->ticks % 5 == 0)
		printf("%6.1f offered %6.0f completed %5.0f/s refused %6.0f/s window %5.0f in flight %5.0f T %.3f (%.3f) Xcap %5.0f k %.2f "
		       "sat %.2f p %.2f level %d\n",
		       (double)(p->now_us - 1000000) / 1e6, r->offered,
		       10 * mean(r, offsetof(struct row, completed), .5),
		       10 * mean(r, offsetof(struct row, refused), .5), row->window, row->in_flight,
		       r->engine.view.window[0].server_time_s,
		       r->engine.view.window[0].target_time_s, row->capacity,
		       r->engine.view.window[0].factor, r->engine.view.window[0].saturation,
		       row->pressure, r->engine.view.level.number);
}

/* As the daemon is without a configuration file. */
static void configure(const struct run *r, struct engine_config *ret)
{
	struct config *config = calloc(1, sizeof(*config));

	if (!config)
		abort();
	config_defaults(config);
	engine_config_from(config, r->scenario->plant.machine_cores, ret);
	free(config);
}

static void run(struct run *r)
{
	struct engine_config config;
	unsigned steps = (unsigned)(r->scenario->end_s * 1000);

	configure(r, &config);
	engine_init(&r->engine, &config, 1);
	for (unsigned i = 0; i <= steps && r->ticks < TICKS; i++) {
		apply_events(r, i / 1000.0);
		for (unsigned n = arrivals(r); n > 0; n--)
			offer(r);
		plant_step(r->plant);
		if (i % 100 == 0)
			tick(r);
	}
}

static int read_scenario(const char *path, struct scenario *s)
{
	_cleanup_fclose_ FILE *file = fopen(path, "re");
	char line[512], why[128] = "";

	if (!file) {
		fprintf(stderr, "penstock-sim: cannot read %s: %s\n", path, strerror(errno));
		return -errno;
	}
	scenario_init(s);
	for (unsigned number = 1; fgets(line, sizeof(line), file); number++) {
		if (scenario_line(s, number, line, why) < 0) {
			fprintf(stderr, "%s:%u: %s\n", path, number, why);
			return -EINVAL;
		}
	}
	if (s->end_s <= 0) {
		fprintf(stderr, "%s: no \"end SECONDS\"\n", path);
		return -EINVAL;
	}
	return 0;
}

static void print_json(const struct run *r, uint64_t seed)
{
	double changes = 0, most = 0;
	const struct counts_service *c = &r->plant->counts;
	json_t *json;

	for (int i = 0; i < LEVEL__COUNT; i++)
		changes += (double)r->engine.view.level.changes[i];
	for (unsigned i = 0; i < r->ticks; i++)
		most = fmax(most, r->rows[i].in_flight);
	json = json_pack("{s:s, s:I, s:f, s:f, s:f, s:I, s:I, s:I, s:I, s:I, s:I}", "law",
			 window_law_name(r->engine.view.window[0].law), "seed", (json_int_t)seed,
			 "max_in_flight", most, "rejects_per_arrival",
			 c->offered ? (double)c->deferred / (double)c->offered : 0, "level_changes",
			 changes, "offered", (json_int_t)c->offered, "admitted",
			 (json_int_t)c->admitted, "deferred", (json_int_t)c->deferred, "completed",
			 (json_int_t)c->completed, "oom_kills", (json_int_t)r->plant->oom_kills,
			 "unmet", (json_int_t)r->failed);
	json_dumpf(json, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
	putchar('\n');
	json_decref(json);
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "seed", required_argument, NULL, 's' }, { "json", no_argument, NULL, 'j' },
		{ "trace", no_argument, NULL, 't' },	  { "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },	  { NULL, 0, NULL, 0 }
	};
	static struct scenario scenario;
	static struct run r = { .scenario = &scenario };
	uint64_t seed = 1;
	bool json = false;
	int option;

	while ((option = getopt_long(argc, argv, "h", longs, NULL)) >= 0) {
		if (option == 'h' || option == 'V') {
			fputs(option == 'h' ? usage : "penstock-sim " PENSTOCK_VERSION "\n",
			      stdout);
			return EXIT_SUCCESS;
		}
		if (option == 'j')
			json = true;
		else if (option == 't')
			r.trace = true;
		else if (option != 's' || parse_u64(optarg, &seed) < 0)
			return 2;
	}
	if (optind + 1 != argc) {
		fputs(usage, stderr);
		return 2;
	}
	if (read_scenario(argv[optind], &scenario) < 0)
		return 2;
	r.plant = malloc(sizeof(*r.plant));
	r.rows = calloc(TICKS + 1, sizeof(*r.rows));
	if (!r.plant || !r.rows)
		return EXIT_FAILURE;
	plant_init(r.plant, &scenario.plant, seed);
	run(&r);
	if (json)
		print_json(&r, seed);
	free(r.plant);
	free(r.rows);
	return r.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
