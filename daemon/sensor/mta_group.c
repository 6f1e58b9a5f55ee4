#include "sensor/mta_group.h"

#include <fcntl.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/readfile.h"
#include "sensor/procparse.h"

const char *mta_group_prefix(int cgroup_fd)
{
	if (faccessat(cgroup_fd, "cgroup.controllers", F_OK, 0) == 0)
		return ".";
	if (faccessat(cgroup_fd, "unified/cgroup.controllers", F_OK, 0) == 0 ||
	    faccessat(cgroup_fd, "unified/cgroup.procs", F_OK, 0) == 0)
		return "unified";
	return NULL;
}

const char *mta_group_home(const struct mta_group *g)
{
	return g->unified[0] ? g->unified : g->cpu[0] ? g->cpu : g->memory[0];
}

static bool has_file(const struct sensor_env *env, const char *directory, const char *file)
{
	char path[CONFIG_PATH_MAX + 48];

	snprintf(path, sizeof(path), "%s/%s", directory, file);
	return faccessat(env->cgroup_fd, path, F_OK, 0) == 0;
}

/* The directory of a v1 controller that the process is in, `content` being its /proc/PID/cgroup.
 * False: it is in the root, which is not its own group, or the controller is not v1 here. */
static bool v1_directory(const struct sensor_env *env, const char *content, const char *controller,
			 char *ret, size_t size)
{
	char own[CONFIG_PATH_MAX];

	if (procparse_cgroup(content, controller, own, sizeof(own)) < 0 || strcmp(own, "/") == 0)
		return false;
	if ((size_t)snprintf(ret, size, "%s%s", controller, own) < size &&
	    has_file(env, ret, "cgroup.procs"))
		return true;
	ret[0] = 0;
	return false;
}

/* Whether a memory cgroup directory has a limit of its own. */
static bool has_limit(const struct sensor_env *env, const char *path, bool v1)
{
	char file[CONFIG_PATH_MAX + 32];
	uint64_t limit;

	snprintf(file, sizeof(file), "%s/%s", path, v1 ? "memory.limit_in_bytes" : "memory.max");
	return readfile_u64_at(env->cgroup_fd, file, &limit) == 0 && limit < UINT64_C(1) << 60;
}

/* Its own memory directory, and those above it that have a limit. */
static void find_memory(const struct sensor_env *env, struct mta_group *g, const char *root,
			const char *own, bool v1)
{
	char at[CONFIG_PATH_MAX];
	unsigned n = 0;
	char *slash;

	if (!own[0] || !has_file(env, own, v1 ? "memory.stat" : "memory.current"))
		return;
	snprintf(at, sizeof(at), "%s", own);
	g->memory_v1 = v1;
	strcpy(g->memory[n++], at);
	while (n < MTA_LIMITS && (slash = strrchr(at, '/')) && strlen(at) > strlen(root)) {
		*slash = 0;
		if (strlen(at) > strlen(root) && has_limit(env, at, v1))
			strcpy(g->memory[n++], at);
	}
}

/* Kernels count the CPU time of every cgroup2 directory, with or without the controller (cpu.stat:
 * 4.15 and later). */
static void find_cpu(const struct sensor_env *env, struct mta_group *g, const char *content)
{
	if (g->unified[0] && has_file(env, g->unified, "cpu.stat")) {
		strcpy(g->cpu, g->unified);
		return;
	}
	g->cpu_v1 = v1_directory(env, content, "cpuacct", g->cpu, sizeof(g->cpu));
}

/* I/O is counted in the nearest group with the io controller, which may be a parent. */
static void find_io(const struct sensor_env *env, struct mta_group *g, const char *content)
{
	if (g->unified[0] && has_file(env, g->unified, "io.stat")) {
		strcpy(g->io, g->unified);
		return;
	}
	if (v1_directory(env, content, "blkio", g->io, sizeof(g->io)) &&
	    has_file(env, g->io, "blkio.throttle.io_service_bytes"))
		g->io_v1 = true;
	else
		g->io[0] = 0;
}

void mta_group_find(const struct sensor_env *env, const char *prefix, const char *path, int pid,
		    struct mta_group *g)
{
	char file[64], content[4096] = "", own[CONFIG_PATH_MAX] = "";

	memset(g, 0, sizeof(*g));
	if (path)
		strncpy(g->unified, path, sizeof(g->unified) - 1);
	snprintf(file, sizeof(file), "%d/cgroup", pid);
	if (pid <= 0 || readfile_at(env->proc_fd, file, content, sizeof(content)) < 0)
		content[0] = 0;
	find_cpu(env, g, content);
	if (prefix)
		find_memory(env, g, prefix, g->unified, false);
	if (!g->memory[0][0] && v1_directory(env, content, "memory", own, sizeof(own)))
		find_memory(env, g, "memory", own, true);
	find_io(env, g, content);
}

/* A CPU limit, in cores; 0: none. */
static double quota_of(const struct sensor_env *env, const struct mta_group *g, int pid)
{
	char file[CONFIG_PATH_MAX + 32], content[4096], own[CONFIG_PATH_MAX];
	double quota;
	uint64_t quota_us, period_us;

	snprintf(file, sizeof(file), "%s/cpu.max", g->unified);
	if (g->unified[0] && readfile_at(env->cgroup_fd, file, content, sizeof(content)) > 0) {
		double period;

		if (sscanf(content, "%lf %lf", &quota, &period) == 2 && period > 0)
			return quota / period;
		return 0;
	}
	snprintf(file, sizeof(file), "%d/cgroup", pid);
	if (pid <= 0 || readfile_at(env->proc_fd, file, content, sizeof(content)) < 0 ||
	    !v1_directory(env, content, "cpu", own, sizeof(own)))
		return 0;
	snprintf(file, sizeof(file), "%s/cpu.cfs_quota_us", own); /* -1: none */
	if (readfile_u64_at(env->cgroup_fd, file, &quota_us) < 0)
		return 0;
	snprintf(file, sizeof(file), "%s/cpu.cfs_period_us", own);
	if (readfile_u64_at(env->cgroup_fd, file, &period_us) < 0 || period_us == 0)
		return 0;
	return (double)quota_us / (double)period_us;
}

double mta_group_cores(const struct sensor_env *env, const struct mta_group *g, int pid)
{
	static const struct mta_group none;
	double cores = 0, quota = quota_of(env, g ? g : &none, pid);
	cpu_set_t cpus;

	if (pid > 0 && sched_getaffinity(pid, sizeof(cpus), &cpus) == 0)
		cores = CPU_COUNT(&cpus);
	if (quota > 0)
		cores = cores > 0 ? fmin(cores, quota) : quota;
	return cores;
}
