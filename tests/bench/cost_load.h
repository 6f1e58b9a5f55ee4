/* The load of bench_cost: context switches and reads at a given rate, by processes that end with
 * ours. */
#ifndef PENSTOCK_TESTS_COST_LOAD_H
#define PENSTOCK_TESTS_COST_LOAD_H

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define SCRATCH "build/bench-scratch"
#define SCRATCH_BYTES (64u << 20)

static inline void pause_ms(unsigned ms)
{
	struct timespec t = { ms / 1000, (long)(ms % 1000) * 1000000 };

	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		;
}

static inline void leave_with_parent(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(300);
}

/* Runs `once` so often a second, by the millisecond. */
static inline void paced(double per_s, void (*once)(void *), void *context)
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

static inline void ping(void *context)
{
	struct pair *p = context;
	char c = 0;

	if (write(p->there[1], &c, 1) != 1 || read(p->back[0], &c, 1) != 1)
		_exit(0);
}

/* Two processes on one CPU hand each other a byte: two switches each time. */
static inline void start_switching(int cpu, double switches_per_s, pid_t *ret_pids)
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

static inline void one_read(void *context)
{
	struct file *f = context;

	f->seed = f->seed * 6364136223846793005u + 1442695040888963407u;
	if (pread(f->fd, f->block, 4096,
		  (off_t)((f->seed >> 33) % (SCRATCH_BYTES / 4096) * 4096)) != 4096)
		_exit(1);
}

static inline pid_t start_reading(double per_s)
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

static inline int make_scratch(void)
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

static inline void stop(pid_t pid)
{
	if (pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
}

#endif
