/* penstock-sim: runs the daemon's own core/ against a simulated mail server and its senders, in
 * virtual time. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/output.h"
#include "base/parse.h"
#include "base/text.h"
#include "penstock-sim/against.h"
#include "penstock-sim/plot.h"
#include "penstock-sim/record.h"
#include "penstock-sim/report.h"
#include "penstock-sim/run.h"

#define RUNS_MAX 100000
#define SETS_MAX 64

static const char usage[] =
	"Usage: penstock-sim [--law NAME] [--seed N] [--runs N] [--jobs N] [--set KEY=VALUE]... [--json] [--plot FILE.svg]\n"
	"                    [--record FILE] [--trace] SCENARIO\n"
	"       penstock-sim --against TRACE [--seed N] [--set KEY=VALUE]... [--json] SCENARIO\n"
	"Runs a scenario in virtual time and prints the results; the same seed gives the same bytes. Exit 1 if an expectation is not met.\n"
	"\n"
	"  --law NAME        penstock (default), servo, none, slots, aimd, pie, gradient2, seda, loadavg, eventloop, memory;\n"
	"                    expectations are judged for penstock only\n"
	"  --seed N          first seed, 1 by default\n"
	"  --runs N          N runs with seeds from there on, --jobs of them at once (as many as there are CPUs)\n"
	"  --set KEY=VALUE   a key of plant, sense or law.KEY, a variable (from the start), end, or without=PART of the law\n"
	"  --json            the figures of each run: an object, with --runs an array of them\n"
	"  --plot FILE       arrivals, goodput, window, pressure, level and deferral age of the first run, as SVG\n"
	"  --record FILE     the first run as a trace for penstock-replay\n"
	"  --trace           twice a second what the law sees and does\n"
	"  --against TRACE   how near the plant comes to a real server that penstockd recorded (daemon.record): with as many sessions at a\n"
	"                    time as that had, and with those that came and the verdicts of the law\n"
	"\n"
	"Lines of a scenario (see penstock-sim(1)):\n"
	"  plant KEY=VALUE...     cores machine cost lookup lookup_share stalled check check_share check_slots check_last think think_slow\n"
	"                         slow_share commit commit_each filter\n"
	"                         filter_slots filter_clients session_memory memory_spread memory slots slots_known backlog fork idle knee thrash reject\n"
	"                         greet_patience done_patience objective; grouped, shared\n"
	"  sense KEY=VALUE...     delay loss noise verdict_delay; hidden-cost, hidden-dialogue, filter-apart, gate\n"
	"  law KEY=VALUE...       slots target loadavg lag memory: settings of the other laws\n"
	"  fleet KEY=VALUE...     hosts (300 at most), memory (of each, for what the others know). A name below may begin with hostN.: of that host\n"
	"  senders NAME retry=HOW [count= share= addresses= zipf= mx= size= fresh=]\n"
	"                         HOW: postfix exim qmail gmail yahoo hotmail exchange gmx aol qq advice app bot hammer\n"
	"  overload FROM TO       seconds; by default while more is offered than the capacity\n"
	"  at S set NAME VALUE    NAME: offered (messages a second), neighbour (cores that others take), weight, commit, cost,\n"
	"                         filter, think, lookup, lookup_share, stalled, check, slots, memory, share.GROUP, stuck, restart (1: cold, 2: warm), hung, down (1: no client reaches\n"
	"                         the host), store (0: that of the fleet is gone), steering (1: fleet.next_mx), loss, noise, delay, or a signal (a value, or absent)\n"
	"  at S ramp NAME to VALUE over S\n"
	"  at S order drain|resume|observe|enforce\n"
	"  at S expect NAME OP VALUE [over S]   mean over the last S (1): goodput, in_time (completed a second), filtered, refused\n"
	"                         (a second), window, in_flight, pressure, capacity, latency_worst (s),\n"
	"                         waiting_worst (s; for a greeting); level, state, foreign,\n"
	"                         oom_kills, dropped, filter_queue, level_changes, memory_ends (s), refused_total, admitted_total, would_defer,\n"
	"                         waiting_mail, reason.NAME (refused so), or a figure of --json: regret (%), needless_ratio, ...\n"
	"  end S\n";

struct options {
	struct scenario scenario;
	enum law_kind law;
	uint64_t seed, runs, jobs;
	bool json, trace;
	const char *plot, *record, *against;
};

/* Tells why, and returns -errno. */
static int cannot_read(const char *path)
{
	int error = errno;

	fprintf(stderr, "penstock-sim: cannot read %s: %s\n", path, strerror(error));
	return -error;
}

static int read_scenario(const char *path, struct scenario *s)
{
	_cleanup_fclose_ FILE *file = fopen(path, "re");
	char line[512], why[128] = "", shown[128] = "";
	struct text text = TEXT_OF(shown);

	if (!file)
		return cannot_read(path);
	scenario_init(s);
	for (unsigned number = 1; fgets(line, sizeof(line), file); number++) {
		if (scenario_line(s, number, line, why) < 0) {
			text_append_clean(&text, why, strlen(why));
			fprintf(stderr, "%s:%u: %s\n", path, number, shown);
			return -EINVAL;
		}
	}
	return ferror(file) ? cannot_read(path) : 0;
}

/* Removes the expectations: they are promises of penstock, and other laws are only measured. */
static void drop_expectations(struct scenario *s)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < s->events; i++)
		if (s->event[i].kind != SCRIPT_EXPECT)
			s->event[kept++] = s->event[i];
	s->events = kept;
}

/* Returns how many expectations were not met. */
static unsigned one_run(const struct options *o, uint64_t seed, FILE *out)
{
	static struct run run;
	unsigned failed;

	run_init(&run, &o->scenario, o->law, seed, o->trace);
	if (o->record && seed == o->seed) {
		int r = record_open(o->record, &run.host[0].law.engine, run.host[0].law.sources,
				    RUN_BEGIN_US, &run.host[0].law.record);

		if (r < 0) {
			fprintf(stderr, "penstock-sim: cannot write %s: %s\n", o->record,
				strerror(-r));
			exit(2);
		}
	}
	run_all(&run);
	if (record_close(run.host[0].law.record) < 0) {
		fprintf(stderr, "penstock-sim: %s could not be written whole\n", o->record);
		run.failed++;
	}
	failed = run.failed;
	if (o->json)
		report_print(out, &run);
	else
		report_say(out, &run);
	if (o->plot && seed == o->seed && plot_write(&run, o->plot) < 0)
		failed++;
	run_done(&run);
	return failed;
}

/* Runs one child for each run, `jobs` at once; their output goes to files and is printed in
 * order. */
static unsigned many_runs(const struct options *o)
{
	FILE **out = calloc(o->runs, sizeof(*out));
	pid_t *child = calloc(o->runs, sizeof(*child));
	unsigned failed = 0;
	uint64_t begun = 0;

	if (!out || !child)
		abort();
	for (uint64_t ended = 0; ended < o->runs; ended++) {
		int status = 0;

		for (; begun < o->runs && begun < ended + o->jobs; begun++) {
			out[begun] = tmpfile();
			fflush(NULL);
			child[begun] = out[begun] ? fork() : -1;
			if (child[begun] == 0) {
				unsigned unmet = one_run(o, o->seed + begun, out[begun]);

				fflush(NULL);
				_exit(unmet ? 1 : 0);
			}
		}
		if (child[ended] < 0 || waitpid(child[ended], &status, 0) < 0 || status != 0)
			failed++;
	}
	if (o->json)
		fputs("[\n", stdout);
	for (uint64_t i = 0; i < o->runs; i++) {
		char buffer[4096];
		size_t n;

		if (!out[i])
			continue;
		rewind(out[i]);
		while ((n = fread(buffer, 1, sizeof(buffer), out[i])) > 0)
			fwrite(buffer, 1, n, stdout);
		if (o->json)
			fputs(i + 1 < o->runs ? ",\n" : "\n]\n", stdout);
	}
	for (uint64_t i = 0; i < o->runs; i++)
		if (out[i])
			fclose(out[i]);
	free(out);
	free(child);
	return failed;
}

static int bad(const char *what, const char *value)
{
	fprintf(stderr, "penstock-sim: %s: %s\n", what, value);
	return 2;
}

static int try_help(void)
{
	fputs("Try 'penstock-sim --help'.\n", stderr);
	return 2;
}

static int take_options(int argc, char **argv, struct options *o, char **sets, unsigned *set_count)
{
	static const struct option longs[] = { { "law", required_argument, NULL, 'l' },
					       { "seed", required_argument, NULL, 's' },
					       { "runs", required_argument, NULL, 'r' },
					       { "jobs", required_argument, NULL, 'J' },
					       { "set", required_argument, NULL, 'S' },
					       { "json", no_argument, NULL, 'j' },
					       { "plot", required_argument, NULL, 'p' },
					       { "record", required_argument, NULL, 'R' },
					       { "trace", no_argument, NULL, 't' },
					       { "against", required_argument, NULL, 'a' },
					       { "help", no_argument, NULL, 'h' },
					       { "version", no_argument, NULL, 'V' },
					       { NULL, 0, NULL, 0 } };
	int option;

	while ((option = getopt_long(argc, argv, "h", longs, NULL)) >= 0) {
		if (option == 'h' || option == 'V') {
			fputs(option == 'h' ? usage : "penstock-sim " PENSTOCK_VERSION "\n",
			      stdout);
			exit(EXIT_SUCCESS);
		}
		if (option == 'j')
			o->json = true;
		else if (option == 't')
			o->trace = true;
		else if (option == 'p')
			o->plot = optarg;
		else if (option == 'R')
			o->record = optarg;
		else if (option == 'a')
			o->against = optarg;
		else if (option == 'S' && *set_count < SETS_MAX)
			sets[(*set_count)++] = optarg;
		else if (option == 'l' && (o->law = law_by_name(optarg)) == SIM__COUNT)
			return bad("there is no such law", optarg);
		else if (option == 's' && parse_u64(optarg, &o->seed) < 0)
			return bad("not a number", optarg);
		else if (option == 'r' &&
			 (parse_u64(optarg, &o->runs) < 0 || o->runs < 1 || o->runs > RUNS_MAX))
			return bad("not a number of runs", optarg);
		else if (option == 'J' && (parse_u64(optarg, &o->jobs) < 0 || o->jobs < 1))
			return bad("not a number of jobs", optarg);
		else if (option == '?')
			return try_help();
	}
	return 0;
}

int main(int argc, char **argv)
{
	static struct options o = { .seed = 1 };
	char *sets[SETS_MAX], why[128] = "no such key or value";
	unsigned set_count = 0, failed;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	output_check_at_exit("penstock-sim", 2);
	o.jobs = cpus > 0 ? (uint64_t)cpus : 1;
	if (take_options(argc, argv, &o, sets, &set_count) != 0)
		return 2;
	if (optind + 1 != argc) {
		fputs("penstock-sim: give one scenario\n", stderr);
		return try_help();
	}
	if (read_scenario(argv[optind], &o.scenario) < 0)
		return 2;
	for (unsigned i = 0; i < set_count; i++)
		if (scenario_set(&o.scenario, sets[i], why) < 0) {
			fprintf(stderr, "penstock-sim: --set %s: %s\n", sets[i], why);
			return 2;
		}
	if (o.against)
		return against_print(&o.scenario, o.against, o.seed, o.json, stdout) < 0 ? 2 : 0;
	if (o.scenario.end_s <= 0)
		return bad("no \"end SECONDS\" is in it", argv[optind]);
	if (o.law != SIM_PENSTOCK)
		drop_expectations(&o.scenario);
	if (o.runs > 0) {
		failed = many_runs(&o);
	} else {
		failed = one_run(&o, o.seed, stdout);
		if (o.json)
			putchar('\n');
	}
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
