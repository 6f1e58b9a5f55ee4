/* What penstockd costs the machine, as a share of one core: its ticks, its helper threads and each
 * of its BPF programs, idle and under 50,000 context switches and 5,000 I/Os a second, in
 * interleaved rounds of one run. Ticks and threads by the kernel's account of their CPU time
 * (schedstat), programs by the kernel's account of theirs (BPF_ENABLE_STATS). That account has the
 * reading of the clock in each run: a program of two instructions on the same tracepoint shows how
 * much, and it is taken off; and it has not what calling a program costs: that is measured by many
 * of them that do nothing, and added. Putting a program in place and taking it away is in the
 * helper threads' time. The load is what it is on this machine; what is shown beside it is the same
 * at the nominal rates. */
#include <errno.h>
#include <time.h>

#include "core/history.h"
#include "cost_load.h"
#include "cost_reading.h"

#define ROUNDS 7
#define ROUND_MS \
	4000 /* whole periods of what is seen part of the time (daemon/kernel/duty_cycle.h) */
/* after load begins or ends: rates are measured again, and an idle machine is polled less often */
#define SETTLE_MS 6000
#define SWITCHES_PER_S 50000.0
#define IOS_PER_S 5000.0

/* A round as shares of one core. */
struct shares {
	double nothing_ns; /* what the account shows for a program that does nothing */
	double ticks, helpers, probes, switches_per_s, ios_per_s, nominal;
	double program[PROGRAMS], runs_per_s[PROGRAMS], ns_per_run[PROGRAMS];
};

/* ---- report --------------------------------------------------------------------------------- */

static bool is_io(const char *name)
{
	return strncmp(name, "blkio", 5) == 0;
}

static bool is_switch(const char *name)
{
	return strncmp(name, "runq", 4) == 0;
}

static void compare(const struct reading *a, const struct reading *b, double hook, struct shares *s)
{
	double wall = (double)(b->at_ns - a->at_ns);

	memset(s, 0, sizeof(*s));
	s->ticks = (double)(b->main_ns - a->main_ns) / wall;
	s->helpers = (double)(b->helpers_ns - a->helpers_ns) / wall;
	s->switches_per_s = (double)(b->switches - a->switches) * 1e9 / wall;
	s->ios_per_s = (double)(b->ios - a->ios) * 1e9 / wall;
	s->nominal = s->ticks + s->helpers;
	if (b->nothing_runs > a->nothing_runs)
		s->nothing_ns = (double)(b->nothing_ns - a->nothing_ns) /
				(double)(b->nothing_runs - a->nothing_runs);
	for (unsigned i = 0; i < b->programs; i++) {
		const struct program *p = &b->program[i];
		double ns = (double)p->ns, runs = (double)p->runs, scale = 1;

		for (unsigned k = 0; k < a->programs; k++)
			if (a->program[k].id == p->id) {
				ns -= (double)a->program[k].ns;
				runs -= (double)a->program[k].runs;
			}
		ns = (ns > s->nothing_ns * runs ? ns - s->nothing_ns * runs : 0) + hook * runs;
		s->program[i] = ns / wall;
		s->runs_per_s[i] = runs * 1e9 / wall;
		s->ns_per_run[i] = runs > 0 ? ns / runs : 0;
		s->probes += s->program[i];
		if (is_switch(p->name) && s->switches_per_s > 0)
			scale = SWITCHES_PER_S / s->switches_per_s;
		/* It lowers its own rate, so that it costs no less where there is less to see. */
		if (is_switch(p->name) && scale < 1)
			scale = 1;
		if (is_io(p->name) && s->ios_per_s > 0)
			scale = IOS_PER_S / s->ios_per_s;
		s->nominal += s->program[i] * scale;
	}
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Median and spread of one field over the rounds. */
static double print_field(const char *name, const struct shares *rounds, size_t offset,
			  double factor, const char *unit)
{
	double v[ROUNDS];

	for (int i = 0; i < ROUNDS; i++)
		v[i] = *(const double *)((const char *)&rounds[i] + offset) * factor;
	qsort(v, ROUNDS, sizeof(*v), by_value);
	printf("  %-34s %9.3f %s (%.3f to %.3f)\n", name, v[ROUNDS / 2], unit, v[0], v[ROUNDS - 1]);
	return v[ROUNDS / 2];
}

static void report(const char *title, const struct shares *rounds, const struct reading *last,
		   double aim_percent, bool nominal)
{
	double all, v[ROUNDS];

	printf("%s\n", title);
	print_field("context switches", rounds, offsetof(struct shares, switches_per_s), 1, "/s");
	print_field("I/Os", rounds, offsetof(struct shares, ios_per_s), 1, "/s");
	print_field("ticks (main thread)", rounds, offsetof(struct shares, ticks), 100,
		    "% of one core");
	print_field("helper threads", rounds, offsetof(struct shares, helpers), 100,
		    "% of one core");
	print_field("the account itself, taken off", rounds, offsetof(struct shares, nothing_ns), 1,
		    "ns a run");
	print_field("probes", rounds, offsetof(struct shares, probes), 100, "% of one core");
	for (unsigned i = 0; i < last->programs; i++) {
		char name[64];

		snprintf(name, sizeof(name), "  %s", last->program[i].name);
		if (rounds[ROUNDS / 2].runs_per_s[i] < 1)
			continue;
		print_field(name, rounds, offsetof(struct shares, program) + i * sizeof(double),
			    100, "%");
		print_field("    a run", rounds,
			    offsetof(struct shares, ns_per_run) + i * sizeof(double), 1, "ns");
	}
	for (int i = 0; i < ROUNDS; i++)
		v[i] = 100 * (nominal ? rounds[i].nominal
				      : rounds[i].ticks + rounds[i].helpers + rounds[i].probes);
	qsort(v, ROUNDS, sizeof(*v), by_value);
	all = v[ROUNDS / 2];
	printf("  %-34s %9.3f %% of one core (%.3f to %.3f); the aim is %.1f: %s\n",
	       nominal ? "all, at 50,000 and 5,000 a second" : "all", all, v[0], v[ROUNDS - 1],
	       aim_percent, all < aim_percent ? "met" : "NOT met");
}

/* ---- memory ---------------------------------------------------------------------------------- */

#define MIB 1048576.0
#define MEMORY_AIM_MIB 20.0

/* What is resident, without the table of sources, whose size is an option (source.ledger_size). */
static void report_memory(pid_t pid)
{
	char path[64], line[512];
	unsigned long long kib;
	bool table = false;
	double all = 0, sources = 0, history;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/smaps", pid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%llx-%*x %*4s", &kib) == 1 && strchr(line, '-'))
			table = strstr(line, "/run/sources") != NULL;
		if (sscanf(line, "Rss: %llu kB", &kib) == 1) {
			all += (double)kib * 1024;
			sources += table ? (double)kib * 1024 : 0;
		}
	}
	if (f)
		fclose(f);
	history = (double)(HISTORY_HOUR + HISTORY_DAY) * sizeof(struct history_record);
	printf("memory of penstockd\n");
	printf("  %-34s %9.1f MiB; the aim is %.0f: %s\n", "resident, without the table",
	       (all - sources) / MIB, MEMORY_AIM_MIB,
	       all - sources < MEMORY_AIM_MIB * MIB ? "met" : "NOT met");
	printf("  %-34s %9.1f MiB\n", "the table of sources", sources / MIB);
	printf("  %-34s %9.1f MiB, once it has a day\n", "the history's rings, of that",
	       history / MIB);
}

/* ---- the run -------------------------------------------------------------------------------- */

static pid_t start_daemon(const char *self, const char *directory)
{
	char program[4096], run[4096], state[4096];
	const char *slash = strrchr(self, '/');
	pid_t pid;

	snprintf(program, sizeof(program), "%.*s/../../bin/penstockd",
		 slash ? (int)(slash - self) : 1, slash ? self : ".");
	snprintf(run, sizeof(run), "%s/run", directory);
	snprintf(state, sizeof(state), "%s/state", directory);
	pid = fork();
	if (pid == 0) {
		leave_with_parent();
		alarm(0);
		if (!freopen("/dev/null", "w", stderr))
			_exit(1);
		execl(program, program, "-c", "/dev/null", "--run-dir", run, "--state-dir", state,
		      "-o", "http.listen=none", "-o", "service.mx.ports=2526", (char *)NULL);
		_exit(127);
	}
	return pid;
}

static void clean_up(const char *directory)
{
	char command[4200];

	unlink(SCRATCH);
	snprintf(command, sizeof(command), "rm -rf '%s'", directory);
	if (system(command) != 0)
		fprintf(stderr, "%s stays behind\n", directory);
}

int main(int argc, char **argv)
{
	static struct shares idle[ROUNDS], loaded[ROUNDS];
	static struct reading before, after;
	char directory[] = "/tmp/penstock-bench-XXXXXX";
	double hook = hook_ns();
	int cpus = (int)sysconf(_SC_NPROCESSORS_ONLN), stats = bpf_enable_stats(BPF_STATS_RUN_TIME);
	int nothing_link = -1, nothing = open_nothing(&nothing_link);
	pid_t daemon, switching[2], reading;

	if (stats < 0 || !mkdtemp(directory)) {
		printf("cost: skipped: the kernel's account of BPF run times is not available: %s\n",
		       strerror(errno));
		return 0;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (make_scratch() < 0) {
		printf("cost: skipped: no scratch file of 64 MiB here\n");
		clean_up(directory);
		return 0;
	}
	daemon = start_daemon(argv[0], directory);
	pause_ms(6000); /* loaded */
	for (int round = 0; round < ROUNDS; round++) {
		pause_ms(SETTLE_MS);
		take(daemon, nothing, &before);
		pause_ms(ROUND_MS);
		take(daemon, nothing, &after);
		compare(&before, &after, hook, &idle[round]);
		start_switching(round % cpus, SWITCHES_PER_S, switching);
		reading = start_reading(IOS_PER_S);
		pause_ms(SETTLE_MS);
		take(daemon, nothing, &before);
		pause_ms(ROUND_MS);
		take(daemon, nothing, &after);
		compare(&before, &after, hook, &loaded[round]);
		stop(reading);
		stop(switching[1]);
		stop(switching[0]);
	}
	if (kill(daemon, 0) == 0 && after.programs == 0)
		printf("cost: BPF is refused here: what follows is without probes\n");
	printf("calling a program: %.1f ns, added to each run below\n", hook);
	report("penstockd with nothing of ours to watch (the machine does what it does)", idle,
	       &after, 0.2, false);
	report("penstockd under load", loaded, &after, 0.5, true);
	report_memory(daemon);
	kill(daemon, SIGTERM);
	waitpid(daemon, NULL, 0);
	close(nothing_link);
	close(nothing);
	close(stats);
	clean_up(directory);
	return 0;
}
