#include "base/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/sandbox.h"

#define PAUSE_MIN_US US_PER_S
#define PAUSE_MAX_US (30 * US_PER_S)

/* ---- in the parent -------------------------------------------------------------------------- */

/* Gives the helper only those environment variables that the loader and the sanitizers need. */
static void few_variables(char **ret)
{
	static const char *const kept[] = { "LD_LIBRARY_PATH=", "ASAN_OPTIONS=", "UBSAN_OPTIONS=" };
	unsigned n = 0;

	for (char **e = environ; *e; e++)
		for (unsigned i = 0; i < ARRAY_SIZE(kept) && n < ARRAY_SIZE(kept); i++)
			if (strncmp(*e, kept[i], strlen(kept[i])) == 0)
				ret[n++] = *e;
	ret[n] = NULL;
}

/* The file of the running program, even if a package has replaced it on disk; without /proc, the
 * file of that name. */
static const char *own_program(void)
{
	static const char running[] = "/proc/self/exe";
	const char *started = (const char *)getauxval(AT_EXECFN);

	return access(running, X_OK) == 0 || !started ? running : started;
}

static int spawn(char **argv, const int *fds, unsigned count, pid_t *ret_pid)
{
	char *variables[4];
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int r;

	few_variables(variables);
	sigemptyset(&none);
	sigfillset(&all);
	r = posix_spawn_file_actions_init(&actions);
	if (r)
		return -r;
	r = posix_spawnattr_init(&attributes);
	if (r) {
		posix_spawn_file_actions_destroy(&actions);
		return -r;
	}
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	/* It has the right number already: only clear its close-on-exec flag. */
	for (unsigned i = 0; i < count && r == 0; i++)
		r = posix_spawn_file_actions_adddup2(&actions, fds[i], fds[i]);
	if (r == 0)
		/* The exec passes on ambient capabilities only, so the new program has none from
		 * its first instruction on, unless it runs as root. We keep ours. */
		prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (r == 0)
		r = posix_spawn(ret_pid, own_program(), &actions, &attributes, argv, variables);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return -r;
}

int helper_start(struct helper *h, const char *name, const char *argument, const int *fds,
		 unsigned count, uint64_t now_us)
{
	char text[HELPER_FDS][12], program[16], first[32];
	char *argv[HELPER_FDS + 3] = { program, first };
	int r = -EINVAL;

	snprintf(program, sizeof(program), "%s", name);
	snprintf(first, sizeof(first), "%s", argument);
	for (unsigned i = 0; i < count && i < HELPER_FDS; i++) {
		snprintf(text[i], sizeof(text[i]), "%d", fds[i]);
		argv[i + 2] = text[i];
	}
	if (count <= HELPER_FDS)
		r = spawn(argv, fds, count, &h->pid);
	/* The pause grows with each start, and is short again once the process has run for a
	 * while. */
	h->pause_us = h->pause_us ? h->pause_us * 2 : PAUSE_MIN_US;
	if (h->pause_us > PAUSE_MAX_US)
		h->pause_us = PAUSE_MAX_US;
	h->started_us = now_us;
	h->next_us = now_us + h->pause_us;
	if (r < 0)
		h->pid = 0;
	else
		h->starts++;
	return r;
}

bool helper_due(const struct helper *h, uint64_t now_us)
{
	return h->pid == 0 && now_us >= h->next_us;
}

double helper_pause_s(const struct helper *h, uint64_t now_us)
{
	return h->next_us > now_us ? (double)(h->next_us - now_us) / US_PER_S : 0;
}

void helper_begun(struct helper *h, const char *does, uint32_t missing_errno)
{
	if (missing_errno && !h->told)
		log_notice(
			"The process that %s has no capability, and no filter of system calls: %s. This kernel or architecture has none.",
			does, strerror((int)missing_errno));
	h->told = true;
	if (h->starts > 1)
		log_notice("The process that %s runs again.", does);
}

bool helper_ended(struct helper *h, uint64_t now_us, char *ret_how)
{
	int status = 0;
	pid_t pid;

	if (h->pid == 0)
		return false;
	pid = waitpid(h->pid, &status, WNOHANG);
	if (pid == 0 || (pid < 0 && errno != ECHILD))
		return false;
	if (pid > 0 && WIFSIGNALED(status))
		snprintf(ret_how, 48, "signal %d", WTERMSIG(status));
	else
		snprintf(ret_how, 48, "exit status %d", pid > 0 ? WEXITSTATUS(status) : -1);
	h->pid = 0;
	if (now_us - h->started_us > 2 * PAUSE_MAX_US) {
		h->pause_us = 0;
		h->next_us = now_us;
	}
	return true;
}

void helper_kill(struct helper *h)
{
	if (h->pid > 0)
		kill(h->pid, SIGKILL); /* SIGKILL, since it may be stopped */
}

void helper_close(struct helper *h)
{
	uint64_t until_us = clock_monotonic_us() + HELPER_LEAVE_US;
	char how[48];

	helper_kill(h);
	while (h->pid && !helper_ended(h, 0, how) && clock_monotonic_us() < until_us)
		usleep(1000);
	h->pid = 0;
}

/* ---- in the process ------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static void close_between(unsigned first, unsigned last)
{
	if (first > last || syscall(SYS_close_range, first, last, 0) == 0)
		return;
	for (unsigned fd = first; fd <= last && fd < 65536; fd++)
		close((int)fd);
}

static void keep_only(const int *fds, int count)
{
	int sorted[HELPER_FDS];
	unsigned next = 3;

	memcpy(sorted, fds, (size_t)count * sizeof(*fds));
	qsort(sorted, (size_t)count, sizeof(*sorted), compare);
	for (int i = 0; i < count; i++) {
		close_between(next, (unsigned)sorted[i] - 1);
		next = (unsigned)sorted[i] + 1;
	}
	close_between(next, ~0u);
}

/* Makes the kernel kill this process before its parent if memory runs out. */
static void be_expendable(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, "0", 1) < 0)
		(void)fd; /* the value may be lower already: then it stays */
	close(fd);
}

/* -EINVAL: these are not the arguments that helper_start() gives. */
static int parse_arguments(int argc, char **argv, const char *argument, int *ret_fds)
{
	int count = 0;
	uint64_t fd;
	struct stat st;

	if (argc < 3 || argc > HELPER_FDS + 2 || strcmp(argv[1], argument) != 0)
		return -EINVAL;
	for (int i = 2; i < argc; i++) {
		if (parse_u64(argv[i], &fd) < 0 || fd < 3 || fd > 1u << 30 ||
		    fstat((int)fd, &st) < 0)
			return -EINVAL;
		ret_fds[count++] = (int)fd;
	}
	if (fstat(ret_fds[0], &st) < 0 || !S_ISSOCK(st.st_mode))
		return -EINVAL;
	return count;
}

int helper_begin(int argc, char **argv, const char *argument, unsigned fds_min, int *ret_fds)
{
	static const int ignored[] = { SIGHUP, SIGTERM, SIGINT, SIGPIPE, SIGXFSZ };
	int count = parse_arguments(argc, argv, argument, ret_fds);

	if (count < (int)fds_min) {
		fprintf(stderr, "penstockd: only penstockd itself uses %s\n", argument);
		return -EINVAL;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, argv[0]);
	/* Terminal and service manager send these signals to all processes, but only our parent
	 * ends us. */
	for (unsigned i = 0; i < ARRAY_SIZE(ignored); i++)
		signal(ignored[i], SIG_IGN);
	keep_only(ret_fds, count);
	be_expendable();
	return count;
}

uint32_t helper_confine(void)
{
	int r = sandbox_enter();

	if (r == -EPERM)
		_exit(EX_NOPERM);
	return (uint32_t)-r;
}
