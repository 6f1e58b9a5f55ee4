/* A process beside this one that does one job without privileges. It is this program again,
 * started with another argument (`penstockd --http-process ...`), so that it always has the same
 * version. It is started again when it ends or no longer answers, after a pause that grows from
 * 1 s to 30 s while it keeps ending. It ends with this process.
 *
 * No function here waits for its end. A start takes until its program runs, some milliseconds. */
#ifndef PENSTOCK_BASE_HELPER_H
#define PENSTOCK_BASE_HELPER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define HELPER_FDS 24
#define HELPER_LEAVE_US 200000

/* All zeros: a helper that has never run. */
struct helper {
	pid_t pid; /* 0: there is none */
	uint64_t started_us, pause_us, next_us; /* CLOCK_MONOTONIC; next: the earliest start */
	uint64_t starts;
	bool told; /* it was logged that the process runs without a filter of system calls */
};

/* Starts the process as `name argument N N ...`; the numbers are those of its descriptors. It
 * appears as `name` (at most 15 characters) in the list of processes, and has only these
 * descriptors and 0 to 2. The caller keeps them. Call it from the main thread: the process ends
 * with the thread that started it. 0, or -errno: then `next_us` is set, too. */
int helper_start(struct helper *helper, const char *name, const char *argument, const int *fds,
		 unsigned count, uint64_t now_us);
/* Whether the process is missing and may be started now. */
bool helper_due(const struct helper *helper, uint64_t now_us);
/* Seconds until it may be started again, for a log line. */
double helper_pause_s(const struct helper *helper, uint64_t now_us);
/* The process has begun. `missing_errno`: what its helper_confine() returned. Says in the log,
 * once, that "the process that DOES" has no filter of system calls, and each time that it was
 * started again. */
void helper_begun(struct helper *helper, const char *does, uint32_t missing_errno);
/* Checks whether it has ended. True: it ended since the last call, and `ret_how` (48 bytes) says
 * how: "signal 9", "exit status 1". */
bool helper_ended(struct helper *helper, uint64_t now_us, char *ret_how);
/* Kills it. helper_ended() still reports its end. */
void helper_kill(struct helper *helper);
/* Kills it and waits, at most HELPER_LEAVE_US, until it has closed its descriptors. */
void helper_close(struct helper *helper);

/* The first call of the helper process. Takes the descriptors from the arguments after `argument`,
 * closes all others, ignores the signals that are meant for its parent, and arranges that it ends
 * when its parent does. Returns the number of descriptors (HELPER_FDS at most). -EINVAL: it was
 * started by hand, or with fewer than `fds_min`; it has printed that to standard error, and the
 * caller returns EX_USAGE. */
int helper_begin(int argc, char **argv, const char *argument, unsigned fds_min, int *ret_fds);
/* Call it in the helper process before it reads bytes from outside: sandbox_enter(). Ends the
 * process if it could not give up its capabilities. Returns the errno (positive) of the missing
 * system call filter, for its parent to log; 0: it has one. */
uint32_t helper_confine(void);

#endif
