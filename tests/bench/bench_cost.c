/* What penstockd costs the machine, as a share of one core: its ticks, its helper threads and each
 * of its BPF programs, idle and under 50,000 context switches and 5,000 I/Os a second, in
 * interleaved rounds of one run. Ticks and threads by the kernel's account of their CPU time
 * (schedstat), programs by the kernel's account of theirs (BPF_ENABLE_STATS). That account has the
 * reading of the clock in each run: a program of two instructions on the same tracepoint shows how
 * much, and it is taken off; and it has not what calling a program costs: that is measured by many
 * of them that do nothing, and added. Putting a program in place and taking it away is in the
 * helper threads' time. The load is what it is on this machine; what is shown beside it is the same
 * at the nominal rates. */
#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "core/history.h"

#define ROUNDS 7
#define ROUND_MS \
	4000 /* whole periods of what is seen part of the time (daemon/kernel/duty_cycle.h) */
/* after load begins or ends: rates are measured again, and an idle machine is polled less often */
#define SETTLE_MS 6000
#define SWITCHES_PER_S 50000.0
#define IOS_PER_S 5000.0
#define PROGRAMS 48
#define SCRATCH "build/bench-scratch"
#define SCRATCH_BYTES (64u << 20)

struct program {
	char name[BPF_OBJ_NAME_LEN];
	uint32_t id;
	uint64_t ns, runs;
};

struct reading {
	uint64_t nothing_ns, nothing_runs; /* of the program that does nothing */
	uint64_t at_ns, main_ns, helpers_ns, switches, ios;
	unsigned programs;
	struct program program[PROGRAMS];
};

/* A round as shares of one core. */
struct shares {
	double nothing_ns; /* what the account shows for a program that does nothing */
	double ticks, helpers, probes, switches_per_s, ios_per_s, nominal;
	double program[PROGRAMS], runs_per_s[PROGRAMS], ns_per_run[PROGRAMS];
};

static void pause_ms(unsigned ms)
{
	struct timespec t = { ms / 1000, (long)(ms % 1000) * 1000000 };

	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		;
}

/* The number behind `key` in a file of /proc; 0: not there. */
static uint64_t number_in(const char *path, const char *key)
{
	char line[512];
	unsigned long long value = 0;
	FILE *f = fopen(path, "r");

	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, key, strlen(key)) == 0) {
			sscanf(line + strlen(key), " %llu", &value);
			break;
		}
	if (f)
		fclose(f);
	return value;
}

static uint64_t ios_done(void)
{
	char line[512], name[64];
	unsigned long long reads, writes, sum = 0;
	FILE *f = fopen("/proc/diskstats", "r");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%*u %*u %63s %llu %*u %*u %*u %llu", name, &reads, &writes) ==
			    3 &&
		    strncmp(name, "loop", 4) != 0 && strncmp(name, "ram", 3) != 0)
			sum += reads + writes;
	if (f)
		fclose(f);
	return sum;
}

static void read_threads(pid_t pid, struct reading *r)
{
	char path[320];
	struct dirent *e;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && (e = readdir(dir))) {
		unsigned long long ns = 0;
		FILE *f;

		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%s/schedstat", pid, e->d_name);
		f = fopen(path, "r");
		if (!f)
			continue;
		if (fscanf(f, "%llu", &ns) == 1)
			*(atoi(e->d_name) == pid ? &r->main_ns : &r->helpers_ns) += ns;
		fclose(f);
	}
	if (dir)
		closedir(dir);
}

/* The programs that the daemon holds, from its descriptors. */
static void read_programs(pid_t pid, struct reading *r)
{
	char path[320];
	struct dirent *e;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo", pid);
	dir = opendir(path);
	while (dir && (e = readdir(dir)) && r->programs < PROGRAMS) {
		struct bpf_prog_info info = { 0 };
		uint32_t size = sizeof(info), id;
		bool known = false;
		int fd;

		snprintf(path, sizeof(path), "/proc/%d/fdinfo/%s", pid, e->d_name);
		id = (uint32_t)number_in(path, "prog_id:");
		for (unsigned i = 0; i < r->programs; i++)
			known |= r->program[i].id == id;
		if (!id || known || (fd = bpf_prog_get_fd_by_id(id)) < 0)
			continue;
		if (bpf_obj_get_info_by_fd(fd, &info, &size) == 0 &&
		    info.run_cnt + info.run_time_ns + 1) {
			struct program *p = &r->program[r->programs++];

			memcpy(p->name, info.name, sizeof(p->name));
			p->id = id;
			p->ns = info.run_time_ns;
			p->runs = info.run_cnt;
		}
		close(fd);
	}
	if (dir)
		closedir(dir);
}

/* "return 0" on the busiest tracepoint: its descriptors, or negative. */
static int open_nothing(int *ret_link)
{
	const struct bpf_insn code[] = { { .code = BPF_ALU64 | BPF_MOV | BPF_K,
					   .dst_reg = BPF_REG_0 },
					 { .code = BPF_JMP | BPF_EXIT } };
	int fd = bpf_prog_load(BPF_PROG_TYPE_RAW_TRACEPOINT, "nothing", "GPL", code, 2, NULL);

	*ret_link = fd < 0 ? -1 : bpf_raw_tracepoint_open("sched_switch", fd);
	return *ret_link < 0 ? -1 : fd;
}

/* ---- what calling a program costs, which its account does not have -------------------------- */

#define HOOKS 16
#define TRIES 15
#define ROUND_TRIPS 5000

/* The least time of a switch between two processes that hand each other a byte on one CPU. */
static double switch_ns(const int *there, const int *back)
{
	uint64_t began = clock_read_ns(CLOCK_MONOTONIC);
	char c = 0;

	for (int i = 0; i < ROUND_TRIPS; i++)
		if (write(there[1], &c, 1) != 1 || read(back[0], &c, 1) != 1)
			return 1e9;
	return (double)(clock_read_ns(CLOCK_MONOTONIC) - began) / (2.0 * ROUND_TRIPS);
}

/* With and without many programs that do nothing, in turns: ns a call. */
static double hook_ns(void)
{
	double without = 1e9, with = 1e9, once;
	int there[2], back[2], links[HOOKS], programs[HOOKS];
	cpu_set_t set, before;
	pid_t child;
	char c;

	if (pipe(there) < 0 || pipe(back) < 0 || sched_getaffinity(0, sizeof(before), &before) < 0)
		return 0;
	CPU_ZERO(&set);
	CPU_SET(0, &set);
	sched_setaffinity(0, sizeof(set), &set);
	child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(60);
		while (read(there[0], &c, 1) == 1 && write(back[1], &c, 1) == 1)
			;
		_exit(0);
	}
	for (int try = 0; try < TRIES; try++) {
		once = switch_ns(there, back);
		without = once < without ? once : without;
		for (int i = 0; i < HOOKS; i++)
			programs[i] = open_nothing(&links[i]);
		once = switch_ns(there, back);
		with = once < with ? once : with;
		for (int i = 0; i < HOOKS; i++) {
			close(links[i]);
			close(programs[i]);
		}
	}
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	sched_setaffinity(0, sizeof(before), &before);
	return with > without ? (with - without) / HOOKS : 0;
}

static void take(pid_t pid, int nothing_fd, struct reading *r)
{
	struct bpf_prog_info info = { 0 };
	uint32_t size = sizeof(info);

	memset(r, 0, sizeof(*r));
	if (nothing_fd >= 0 && bpf_obj_get_info_by_fd(nothing_fd, &info, &size) == 0) {
		r->nothing_ns = info.run_time_ns;
		r->nothing_runs = info.run_cnt;
	}
	r->at_ns = clock_read_ns(CLOCK_MONOTONIC);
	read_threads(pid, r);
	read_programs(pid, r);
	r->switches = number_in("/proc/stat", "ctxt");
	r->ios = ios_done();
}

/* ---- load: bounded in rate and in time, and it dies with us --------------------------------- */

static void leave_with_parent(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(300);
}

/* Runs `once` so often a second, by the millisecond. */
static void paced(double per_s, void (*once)(void *), void *context)
{
	uint64_t began = clock_read_ns(CLOCK_MONOTONIC), done = 0;

	for (;;) {
		uint64_t want =
			(uint64_t)((double)(clock_read_ns(CLOCK_MONOTONIC) - began) / 1e9 * per_s);

		if (want > done + (uint64_t)per_s)
			done = want; /* too slow for it: no burst later */
		for (; done < want; done++)
			once(context);
		pause_ms(1);
	}
}

struct pair {
	int there[2], back[2];
};

static void ping(void *context)
{
	struct pair *p = context;
	char c = 0;

	if (write(p->there[1], &c, 1) != 1 || read(p->back[0], &c, 1) != 1)
		_exit(0);
}

/* Two processes on one CPU hand each other a byte: two switches each time. */
static void start_switching(int cpu, double switches_per_s, pid_t *ret_pids)
{
	struct pair p;
	cpu_set_t set;

	if (pipe(p.there) < 0 || pipe(p.back) < 0)
		exit(1);
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	for (int i = 0; i < 2; i++) {
		ret_pids[i] = fork();
		if (ret_pids[i])
			continue;
		leave_with_parent();
		sched_setaffinity(0, sizeof(set), &set);
		if (i == 0) {
			char c;

			while (read(p.there[0], &c, 1) == 1 && write(p.back[1], &c, 1) == 1)
				;
			_exit(0);
		}
		paced(switches_per_s / 2, ping, &p);
	}
	close(p.there[0]);
	close(p.there[1]);
	close(p.back[0]);
	close(p.back[1]);
}

struct file {
	int fd;
	void *block;
	uint64_t seed;
};

static void one_read(void *context)
{
	struct file *f = context;

	f->seed = f->seed * 6364136223846793005u + 1442695040888963407u;
	if (pread(f->fd, f->block, 4096,
		  (off_t)((f->seed >> 33) % (SCRATCH_BYTES / 4096) * 4096)) != 4096)
		_exit(1);
}

static pid_t start_reading(double per_s)
{
	pid_t pid = fork();

	if (pid == 0) {
		struct file f = { .fd = open(SCRATCH, O_RDONLY | O_DIRECT),
				  .seed = (uint64_t)getpid() };

		leave_with_parent();
		if (f.fd < 0 || posix_memalign(&f.block, 4096, 4096))
			_exit(1);
		paced(per_s, one_read, &f);
	}
	return pid;
}

static int make_scratch(void)
{
	int fd = open(SCRATCH, O_CREAT | O_TRUNC | O_WRONLY, 0600);
	char *block = calloc(1, 1 << 20);
	int r = fd < 0 || !block ? -1 : 0;

	for (unsigned i = 0; r == 0 && i < SCRATCH_BYTES >> 20; i++) {
		memset(block, (int)i, 1 << 20);
		if (write(fd, block, 1 << 20) != 1 << 20)
			r = -1;
	}
	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
	free(block);
	return r;
}

static void stop(pid_t pid)
{
	if (pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
}

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
