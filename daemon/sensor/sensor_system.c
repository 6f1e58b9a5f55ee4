/* The whole machine, from /proc: PSI, CPU, memory. Files are kept open. A counter that went back
 * gives no value for that tick, and neither does the first reading of a rate. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/array.h"
#include "sensor/proc_file.h"
#include "sensor/procparse.h"
#include "sensor/sensors.h"

/* ---- PSI ------------------------------------------------------------------------------------ */

static const struct {
	const char *file;
	enum signal signal;
} psi_files[] = { { "pressure/cpu", SIGNAL_CPU_STALL_RATIO },
		  { "pressure/memory", SIGNAL_MEM_STALL_RATIO },
		  { "pressure/io", SIGNAL_IO_STALL_RATIO } };

#define PSI_SIZE 512

struct psi {
	struct {
		struct proc_file *file; /* NULL: there is no such file */
		uint64_t read_us, total; /* of the last reading; 0: none yet */
		double ratio; /* since the reading before; -1: unknown */
	} of[ARRAY_SIZE(psi_files)];
};

static void psi_close(void *state)
{
	struct psi *s = state;

	for (size_t i = 0; i < ARRAY_SIZE(psi_files); i++)
		proc_file_close(s->of[i].file);
	free(s);
}

/* With psi=0 the files exist, and reading them gives EOPNOTSUPP. */
static bool is_readable(struct proc_file *file, char *why)
{
	char content[PSI_SIZE];
	uint64_t read_us;

	return proc_file_is_served(file) ||
	       proc_file_read(file, 0, content, sizeof(content), &read_us, why) > 0;
}

static int psi_open(const struct sensor_env *env, void **ret_state, char *why)
{
	struct psi *s = calloc(1, sizeof(*s));
	int opened = 0, r = 0;

	if (!s)
		return -ENOMEM;
	for (size_t i = 0; i < ARRAY_SIZE(psi_files); i++) {
		s->of[i].ratio = -1;
		r = proc_file_open(env, psi_files[i].file, PSI_SIZE, &s->of[i].file, why);
		if (r == 0 && is_readable(s->of[i].file, why))
			opened++;
	}
	if (!opened) {
		psi_close(s);
		if (r == -ETIMEDOUT) /* the program that serves them hangs: that is the reason */
			return r;
		/* Where not even /proc/stat is seen, the kernel may give it, and this process may
		 * not look. */
		snprintf(
			why, SENSOR_WHY_MAX, "%s; instead: CPU use, run queue, disk times",
			r == -EACCES || r == -EPERM ? "this process may not read /proc/pressure"
			: r == -ENOENT && faccessat(env->proc_fd, "stat", F_OK, 0) < 0
				? "this process sees no /proc/pressure (ProcSubset=pid? no /proc?)"
				: "the kernel gives no pressure stall information: boot with psi=1");
		return -EOPNOTSUPP;
	}
	*ret_state = s;
	return 0;
}

static int psi_read(struct psi *s, size_t i, uint64_t now_us, char *why)
{
	char content[PSI_SIZE];
	uint64_t read_us, total, before_us = s->of[i].read_us;
	int r = proc_file_read(s->of[i].file, now_us, content, sizeof(content), &read_us, why);

	if (r >= 0)
		r = r ? procparse_psi_some(content, &total) : -EIO;
	if (r < 0 || read_us == before_us)
		return r;
	s->of[i].ratio = -1;
	if (before_us && read_us > before_us && total >= s->of[i].total) {
		double ratio = (double)(total - s->of[i].total) / (double)(read_us - before_us);

		s->of[i].ratio = ratio > 1 ? 1 : ratio;
	}
	s->of[i].total = total;
	s->of[i].read_us = read_us;
	return 0;
}

static int psi_poll(void *state, uint64_t now_us, struct sample *sample, struct load *load,
		    char *why)
{
	struct psi *s = state;
	int got = 0, r = -EIO;

	for (size_t i = 0; i < ARRAY_SIZE(psi_files); i++) {
		if (!s->of[i].file)
			continue;
		r = psi_read(s, i, now_us, why);
		got += r == 0 || r == -EAGAIN;
		if (r == 0 && s->of[i].ratio >= 0)
			sample_put(sample, psi_files[i].signal, s->of[i].ratio, VIA_PSI);
	}
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

#define CPU_SIZE 512 /* the first line is enough */

struct cpu {
	struct proc_file *file;
	struct procparse_cpu last;
	double busy, steal; /* as last put; -1: not yet */
	bool primed;
};

static void cpu_close(void *state)
{
	proc_file_close(((struct cpu *)state)->file);
	free(state);
}

static int cpu_open(const struct sensor_env *env, void **ret_state, char *why)
{
	struct cpu *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->busy = s->steal = -1;
	r = proc_file_open(env, "stat", CPU_SIZE, &s->file, why);
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
	char content[CPU_SIZE];
	uint64_t read_us;
	double all;
	int r = proc_file_read(s->file, now_us, content, sizeof(content), &read_us, why);

	if (r < 0 && r != -EFBIG)
		return r == -EAGAIN ? 0 : r;
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

static int memory_open(const struct sensor_env *env, void **ret_state, char *why)
{
	struct proc_file *file;
	int r = proc_file_open(env, "meminfo", PROCPARSE_MEMINFO_SIZE, &file, why);

	if (r == 0)
		*ret_state = file;
	return r;
}

static void memory_close(void *state)
{
	proc_file_close(state);
}

/* MemAvailable is the kernel's own estimate of what programs can get without swapping: page cache
 * is not pressure. */
static int memory_poll(void *state, uint64_t now_us, struct sample *sample, struct load *load,
		       char *why)
{
	char content[PROCPARSE_MEMINFO_SIZE];
	uint64_t all, available, read_us;
	int r = proc_file_read(state, now_us, content, sizeof(content), &read_us, why);

	if (r < 0 && r != -EFBIG)
		return r == -EAGAIN ? 0 : r;
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
