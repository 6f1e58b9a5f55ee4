/* The machine as a whole, from proc: PSI, CPU, memory. Files are kept open and read with pread(); a
 * counter that went backwards gives no value for that tick; a first reading of a rate gives none
 * either. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "base/readfile.h"
#include "sensor/procparse.h"
#include "sensor/sensors.h"

static int open_kept(int dir_fd, const char *path, int *ret_fd, char *why)
{
	int fd = dir_fd < 0 ? -1 : openat(dir_fd, path, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		int r = dir_fd < 0 ? -ENOENT : -errno;

		snprintf(why, SENSOR_WHY_MAX, "/proc/%s cannot be opened: %s", path, strerror(-r));
		return r;
	}
	*ret_fd = fd;
	return 0;
}

/* ---- PSI ------------------------------------------------------------------------------------ */

static const struct {
	const char *file;
	enum signal signal;
} psi_files[] = { { "pressure/cpu", SIGNAL_CPU_STALL_RATIO },
		  { "pressure/memory", SIGNAL_MEM_STALL_RATIO },
		  { "pressure/io", SIGNAL_IO_STALL_RATIO } };

struct psi {
	int fd[ARRAY_SIZE(psi_files)];
	uint64_t total[ARRAY_SIZE(psi_files)];
	uint64_t last_us;
};

static void psi_close(void *state)
{
	struct psi *s = state;

	for (size_t i = 0; i < ARRAY_SIZE(psi_files); i++)
		if (s->fd[i] >= 0)
			close(s->fd[i]);
	free(s);
}

static int psi_open(const struct sensor_env *env, void **ret_state, char *why)
{
	struct psi *s = calloc(1, sizeof(*s));
	char content[512];
	int opened = 0;

	if (!s)
		return -ENOMEM;
	for (size_t i = 0; i < ARRAY_SIZE(psi_files); i++) {
		s->fd[i] = -1;
		/* With psi=0 the files are there and reading gives EOPNOTSUPP. */
		if (open_kept(env->proc_fd, psi_files[i].file, &s->fd[i], why) == 0 &&
		    readfile_once(s->fd[i], content, sizeof(content)) > 0)
			opened++;
	}
	if (!opened) {
		psi_close(s);
		snprintf(
			why, SENSOR_WHY_MAX,
			"the kernel gives no pressure stall information: boot with psi=1; instead: CPU use, run queue, disk times");
		return -EOPNOTSUPP;
	}
	*ret_state = s;
	return 0;
}

static int psi_poll(void *state, uint64_t now_us, struct sample *sample, struct load *load,
		    char *why)
{
	struct psi *s = state;
	double dt_us = s->last_us && now_us > s->last_us ? (double)(now_us - s->last_us) : 0;
	char content[512];
	uint64_t total;
	int got = 0, r = -EIO;

	for (size_t i = 0; i < ARRAY_SIZE(psi_files); i++) {
		if (s->fd[i] < 0)
			continue;
		r = readfile_once(s->fd[i], content, sizeof(content));
		if (r > 0)
			r = procparse_psi_some(content, &total);
		if (r < 0)
			continue;
		got++;
		if (dt_us > 0 && total >= s->total[i]) {
			double ratio = (double)(total - s->total[i]) / dt_us;

			sample_put(sample, psi_files[i].signal, ratio > 1 ? 1 : ratio, VIA_PSI);
		}
		s->total[i] = total;
	}
	s->last_us = now_us;
	return got ? 0 : r;
}

static const enum signal psi_signals[] = { SIGNAL_CPU_STALL_RATIO, SIGNAL_MEM_STALL_RATIO,
					   SIGNAL_IO_STALL_RATIO, SIGNAL__COUNT };
const struct sensor_ops sensor_psi = { .name = "psi",
				       .provides = psi_signals,
				       .open = psi_open,
				       .poll = psi_poll,
				       .close = psi_close,
				       .steers = true,
				       .budget_us_per_s = 100 };

/* ---- CPU ------------------------------------------------------------------------------------ */

struct cpu {
	int fd;
	struct procparse_cpu last;
	double busy, steal; /* as last put; -1: not yet */
	bool primed;
};

static void cpu_close(void *state)
{
	close(((struct cpu *)state)->fd);
	free(state);
}

static int cpu_open(const struct sensor_env *env, void **ret_state, char *why)
{
	struct cpu *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->busy = s->steal = -1;
	r = open_kept(env->proc_fd, "stat", &s->fd, why);
	if (r < 0) {
		free(s);
		return r;
	}
	*ret_state = s;
	return 0;
}

static int cpu_poll(void *state, uint64_t now_us, struct sample *sample, struct load *load,
		    char *why)
{
	struct cpu *s = state;
	struct procparse_cpu now;
	char content[512]; /* the first line is enough */
	double all;
	int r = readfile_once(s->fd, content, sizeof(content));

	if (r < 0 && r != -EFBIG)
		return r;
	r = procparse_cpu(content, &now);
	if (r < 0)
		return r;
	all = now.all > s->last.all ? (double)(now.all - s->last.all) : 0;
	if (s->primed && all == 0 && now.all == s->last.all) {
		/* The kernel counts in hundredths of a second, and none has passed: keep the last
		 * value. */
	} else if (s->primed && all > 0) {
		/* Idle and iowait may step back a little (proc(5)): nothing was idle then. */
		double idle = now.idle > s->last.idle ? (double)(now.idle - s->last.idle) : 0,
		       steal = now.steal > s->last.steal ? (double)(now.steal - s->last.steal) : 0;

		s->busy = idle > all ? 0 : 1 - idle / all;
		s->steal = steal > all ? 1 : steal / all;
	} else {
		s->busy = s->steal = -1;
	}
	if (s->busy >= 0) {
		sample_put(sample, SIGNAL_CPU_BUSY_RATIO, s->busy, VIA_PROCFS);
		sample_put(sample, SIGNAL_CPU_STEAL_RATIO, s->steal, VIA_PROCFS);
	}
	s->last = now;
	s->primed = true;
	return 0;
}

static const enum signal cpu_signals[] = { SIGNAL_CPU_BUSY_RATIO, SIGNAL_CPU_STEAL_RATIO,
					   SIGNAL__COUNT };
const struct sensor_ops sensor_cpu = { .name = "cpu",
				       .provides = cpu_signals,
				       .open = cpu_open,
				       .poll = cpu_poll,
				       .close = cpu_close,
				       .steers = true,
				       .budget_us_per_s = 50 };

/* ---- memory --------------------------------------------------------------------------------- */

struct memory {
	int fd;
};

static int memory_open(const struct sensor_env *env, void **ret_state, char *why)
{
	struct memory *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	r = open_kept(env->proc_fd, "meminfo", &s->fd, why);
	if (r < 0) {
		free(s);
		return r;
	}
	*ret_state = s;
	return 0;
}

static void memory_close(void *state)
{
	close(((struct memory *)state)->fd);
	free(state);
}

/* MemAvailable is the kernel's own estimate of what programs can get without swapping: page cache
 * is not pressure. */
static int memory_poll(void *state, uint64_t now_us, struct sample *sample, struct load *load,
		       char *why)
{
	char content[4096];
	uint64_t all, available;
	int r = readfile_once(((struct memory *)state)->fd, content, sizeof(content));

	if (r < 0 && r != -EFBIG)
		return r;
	r = procparse_meminfo(content, &all, &available);
	if (r < 0) {
		snprintf(why, SENSOR_WHY_MAX, "/proc/meminfo holds no %s",
			 r == -ENOENT ? "MemAvailable" : "amount of memory that can be true");
		return r;
	}
	sample_put(sample, SIGNAL_MEM_USED_RATIO, 1 - (double)available / (double)all, VIA_PROCFS);
	sample_put(sample, SIGNAL_MEM_AVAILABLE_BYTES, (double)available, VIA_PROCFS);
	return 0;
}

static const enum signal memory_signals[] = { SIGNAL_MEM_USED_RATIO, SIGNAL_MEM_AVAILABLE_BYTES,
					      SIGNAL__COUNT };
const struct sensor_ops sensor_memory = { .name = "memory",
					  .provides = memory_signals,
					  .open = memory_open,
					  .poll = memory_poll,
					  .close = memory_close,
					  .budget_us_per_s = 50 };
