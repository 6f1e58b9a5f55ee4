#include "sensor/mta.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/readfile.h"
#include "base/clock.h"
#include "kernel/sockdiag.h"
#include "sensor/lookout.h"
#include "sensor/mta_process.h"
#include "sensor/procparse.h"

#define LOOK_EVERY_S 3

struct mta_watch {
	struct sensor_env env;
	pthread_mutex_t lock;
	struct mta mta; /* under the lock */
};

/* The cgroup2 tree below the root that is given: itself, or its "unified" on hybrid hosts. */
static const char *unified_prefix(int cgroup_fd)
{
	if (faccessat(cgroup_fd, "cgroup.controllers", F_OK, 0) == 0)
		return ".";
	if (faccessat(cgroup_fd, "unified/cgroup.controllers", F_OK, 0) == 0 ||
	    faccessat(cgroup_fd, "unified/cgroup.procs", F_OK, 0) == 0)
		return "unified";
	return NULL;
}

static double cores_of(const struct sensor_env *env, const char *unified, int pid)
{
	char file[CONFIG_PATH_MAX + 16], content[128];
	double cores = 0, quota, period;
	cpu_set_t cpus;

	if (pid > 0 && sched_getaffinity(pid, sizeof(cpus), &cpus) == 0)
		cores = CPU_COUNT(&cpus);
	snprintf(file, sizeof(file), "%s/cpu.max", unified);
	if (unified[0] && readfile_at(env->cgroup_fd, file, content, sizeof(content)) > 0 &&
	    sscanf(content, "%lf %lf", &quota, &period) == 2 && period > 0)
		cores = cores > 0 ? fmin(cores, quota / period) : quota / period;
	return cores;
}

/* Whether a memory cgroup directory has a limit of its own. */
static bool has_limit(const struct sensor_env *env, const char *path, bool v1)
{
	char file[CONFIG_PATH_MAX + 32];
	uint64_t limit;

	snprintf(file, sizeof(file), "%s/%s", path, v1 ? "memory.limit_in_bytes" : "memory.max");
	return readfile_u64_at(env->cgroup_fd, file, &limit) == 0 && limit < UINT64_C(1) << 60;
}

/* Its own memory cgroup and those above that limit it. */
static void find_memory(const struct sensor_env *env, struct mta_group *g, const char *root,
			const char *path, bool v1)
{
	char at[CONFIG_PATH_MAX], file[CONFIG_PATH_MAX + 32];
	unsigned n = 0;
	char *slash;

	if ((size_t)snprintf(at, sizeof(at), "%s%s", root, path) >= sizeof(at))
		return;
	snprintf(file, sizeof(file), "%s/%s", at, v1 ? "memory.stat" : "memory.current");
	if (faccessat(env->cgroup_fd, file, F_OK, 0) != 0)
		return;
	g->memory_v1 = v1;
	strcpy(g->memory[n++], at);
	while (n < MTA_LIMITS && (slash = strrchr(at, '/')) && strlen(at) > strlen(root)) {
		*slash = 0;
		if (strlen(at) > strlen(root) && has_limit(env, at, v1))
			strcpy(g->memory[n++], at);
	}
}

/* I/O is booked to the nearest group with the io controller, which may be one above. */
static void find_io(const struct sensor_env *env, struct mta_group *g, const char *prefix,
		    const char *v1_path)
{
	char at[CONFIG_PATH_MAX], file[CONFIG_PATH_MAX + 48];

	snprintf(file, sizeof(file), "%s/io.stat", g->unified);
	if (faccessat(env->cgroup_fd, file, F_OK, 0) == 0) {
		strcpy(g->io, g->unified);
		return;
	}
	if (!v1_path[0] || strcmp(v1_path, "/") == 0 ||
	    (size_t)snprintf(at, sizeof(at), "blkio%s", v1_path) >= sizeof(at))
		return;
	snprintf(file, sizeof(file), "%s/blkio.throttle.io_service_bytes", at);
	if (faccessat(env->cgroup_fd, file, F_OK, 0) == 0) {
		strcpy(g->io, at);
		g->io_v1 = true;
	}
}

static void add_group(const struct sensor_env *env, struct mta *m, unsigned service,
		      const char *prefix, const char *path, int pid)
{
	char file[64], content[4096], own[CONFIG_PATH_MAX] = "";
	struct mta_group *g = &m->group[m->count];
	int r = -ENOENT;

	for (unsigned i = 0; i < m->count; i++)
		if (strcmp(m->group[i].unified, path) == 0)
			return;
	memset(g, 0, sizeof(*g));
	g->service = service;
	snprintf(g->unified, sizeof(g->unified), "%s", path);
	snprintf(file, sizeof(file), "%d/cgroup", pid);
	if (pid > 0)
		r = readfile_at(env->proc_fd, file, content, sizeof(content));
	find_memory(env, g, prefix, path + strlen(prefix), false);
	if (!g->memory[0][0] && r > 0 &&
	    procparse_cgroup(content, "memory", own, sizeof(own)) == 0 && strcmp(own, "/") != 0)
		find_memory(env, g, "memory", own, true);
	if (r <= 0 || procparse_cgroup(content, "blkio", own, sizeof(own)) < 0)
		own[0] = 0;
	find_io(env, g, prefix, own);
	if (m->count++ == 0) {
		m->pid = pid;
		m->cores = cores_of(env, path, pid);
	}
}

/* Inside a container the root that is seen is the container's own group, and has the files that
 * only others than the true root have. */
static bool root_is_own(const struct sensor_env *env, const char *prefix)
{
	char file[64];

	snprintf(file, sizeof(file), "%s/cgroup.type", prefix);
	return faccessat(env->cgroup_fd, file, F_OK, 0) == 0;
}

static void why_not(struct mta *m, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void why_not(struct mta *m, const char *format, ...)
{
	va_list args;

	if (m->why[0])
		return;
	va_start(args, format);
	vsnprintf(m->why, sizeof(m->why), format, args);
	va_end(args);
}

static void find_named(const struct sensor_env *env, struct mta *m, unsigned i, const char *prefix)
{
	const struct config_service *service = &env->config->service[i];
	char path[CONFIG_PATH_MAX];

	snprintf(path, sizeof(path), "%s/%.200s", prefix,
		 service->cgroup[0] == '/' ? service->cgroup + 1 : service->cgroup);
	if (faccessat(env->cgroup_fd, path, F_OK, 0) == 0)
		add_group(env, m, i, prefix, path, mta_first_process(env->cgroup_fd, path));
	else
		why_not(m, "service.%s.cgroup = %.60s does not exist", service->name,
			service->cgroup);
}

/* The group of one listener of a service. */
static void find_owner(const struct sensor_env *env, struct mta *m, unsigned i, const char *prefix,
		       const struct sockdiag_listener *listener)
{
	char path[CONFIG_PATH_MAX], file[64], content[4096], own[CONFIG_PATH_MAX];
	int pid;

	if (listener->cgroup_id &&
	    mta_group_by_id(env->cgroup_fd, prefix, listener->cgroup_id, path, sizeof(path))) {
		add_group(env, m, i, prefix, path, mta_first_process(env->cgroup_fd, path));
		return;
	}
	pid = mta_process_by_inode(env->proc_fd, listener->inode);
	snprintf(file, sizeof(file), "%d/cgroup", pid);
	if (pid && readfile_at(env->proc_fd, file, content, sizeof(content)) > 0 &&
	    procparse_cgroup(content, NULL, own, sizeof(own)) == 0 && strcmp(own, "/") != 0) {
		snprintf(path, sizeof(path), "%s%s", prefix, own);
		add_group(env, m, i, prefix, path, pid);
		return;
	}
	if (root_is_own(env, prefix)) {
		add_group(env, m, i, prefix, prefix, pid);
		return;
	}
	why_not(m,
		"the listener on port %u shares the root control group: whole-machine figures are used",
		listener->port);
	if (pid && m->cores <= 0) {
		m->cores = cores_of(env, "", pid);
		m->pid = pid;
	}
}

static void find_service(const struct sensor_env *env, struct mta *m, unsigned i,
			 const char *prefix)
{
	const struct config_service *service = &env->config->service[i];
	struct sockdiag_listener listener;
	int n = 0, fd;

	if (service->cgroup[0]) {
		find_named(env, m, i, prefix);
		return;
	}
	fd = sockdiag_open_mta(env->config);
	if (fd >= 0) {
		n = sockdiag_listeners(fd, service->ports, CONFIG_PORTS, &listener, 1);
		close(fd);
	}
	if (n > 0)
		find_owner(env, m, i, prefix, &listener);
	else
		why_not(m, "nothing listens on service.%s.ports: whole-machine figures are used",
			service->name);
}

void mta_find(const struct sensor_env *env, struct mta *m)
{
	const char *prefix = env->cgroup_fd < 0 ? NULL : unified_prefix(env->cgroup_fd);
	char file[32], content[64];

	memset(m, 0, sizeof(*m));
	if (!prefix) {
		why_not(m, "there is no cgroup2 tree: whole-machine figures are used");
		return;
	}
	for (unsigned i = 0; i < env->config->services; i++)
		find_service(env, m, i, prefix);
	snprintf(file, sizeof(file), "%d/comm", m->pid);
	if (m->pid > 0 && readfile_at(env->proc_fd, file, content, sizeof(content)) > 0)
		snprintf(m->comm, sizeof(m->comm), "%.*s", (int)strcspn(content, "\n"), content);
}

/* Byte by byte: what follows the end of a path is zero, too. */
static bool same(const struct mta *a, const struct mta *b)
{
	return a->count == b->count && a->cores == b->cores && a->pid == b->pid &&
	       memcmp(a->group, b->group, sizeof(a->group)) == 0 && strcmp(a->why, b->why) == 0;
}

static uint64_t look(void *context, bool calm)
{
	struct mta_watch *w = context;
	struct mta m;

	mta_find(&w->env, &m);
	pthread_mutex_lock(&w->lock);
	if (w->mta.generation == 0 || !same(&m, &w->mta)) {
		m.generation = w->mta.generation + 1;
		w->mta = m;
	}
	pthread_mutex_unlock(&w->lock);
	return LOOK_EVERY_S * US_PER_S;
}

int mta_watch_open(const struct sensor_env *env, struct mta_watch **ret_watch, char *why)
{
	struct mta_watch *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	w->env = *env;
	pthread_mutex_init(&w->lock, NULL);
	r = lookout_add(env->lookout, look, w);
	if (r < 0) {
		snprintf(why, SENSOR_WHY_MAX, "Cannot create the thread that looks for the MTA: %s",
			 strerror(-r));
		pthread_mutex_destroy(&w->lock);
		free(w);
		return r;
	}
	*ret_watch = w;
	return 0;
}

bool mta_watch_read(struct mta_watch *w, uint64_t generation, struct mta *ret_mta)
{
	bool fresh;

	if (!w || pthread_mutex_trylock(&w->lock) != 0)
		return false;
	fresh = w->mta.generation != 0 && w->mta.generation != generation;
	if (fresh)
		*ret_mta = w->mta;
	pthread_mutex_unlock(&w->lock);
	return fresh;
}

void mta_watch_close(struct mta_watch *w)
{
	if (!w)
		return;
	lookout_remove(w->env.lookout, w);
	pthread_mutex_destroy(&w->lock);
	free(w);
}
