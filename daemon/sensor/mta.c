#include "sensor/mta.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
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
#include "sensor/shared_view.h"
#include "sensor/mta_process.h"
#include "sensor/procparse.h"

#define LOOK_EVERY_S 3

struct mta_watch {
	struct sensor_env env;
	struct shared_view view;
	struct mta mta; /* under the lock of the view */
};

/* `path` is in cgroup2, below `prefix`. NULL: the process is in v1 groups only. Returns whether a
 * group was found. */
static bool add_group(const struct sensor_env *env, struct mta *m, unsigned service,
		      const char *prefix, const char *path, int pid)
{
	struct mta_group *g = &m->group[m->count];

	mta_group_find(env, prefix, path, pid, g);
	if (!mta_group_home(g)[0])
		return false;
	g->service = service;
	for (unsigned i = 0; i < m->count; i++)
		if (strcmp(mta_group_home(&m->group[i]), mta_group_home(g)) == 0) {
			memset(g, 0, sizeof(*g));
			return true;
		}
	if (m->count++ == 0) {
		m->pid = pid;
		m->cores = mta_group_cores(env, g, pid);
	}
	return true;
}

/* Inside a container, the visible root is the container's own group. It has files that the true
 * root does not have. */
static bool root_is_own(const struct sensor_env *env, const char *prefix)
{
	char file[64];

	if (!prefix)
		return false;
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
	const char *const trees[] = { prefix, "cpuacct", "memory" };
	const char *name = service->cgroup[0] == '/' ? service->cgroup + 1 : service->cgroup;
	char path[CONFIG_PATH_MAX];
	bool found = false;

	for (unsigned t = 0; t < 3 && !found; t++) {
		if (!trees[t])
			continue;
		snprintf(path, sizeof(path), "%s/%.200s", trees[t], name);
		if (faccessat(env->cgroup_fd, path, F_OK, 0) == 0)
			found = add_group(env, m, i, prefix, t == 0 ? path : NULL,
					  mta_first_process(env->cgroup_fd, path));
	}
	if (!found)
		why_not(m, "service.%s.cgroup = %.60s does not exist", service->name,
			service->cgroup);
}

/* The group of one listener of a service. */
static void find_owner(const struct sensor_env *env, struct mta *m, unsigned i, const char *prefix,
		       const struct sockdiag_listener *listener)
{
	char path[CONFIG_PATH_MAX], file[64], content[4096], own[CONFIG_PATH_MAX];
	int pid;

	if (prefix && listener->cgroup_id &&
	    mta_group_by_id(env->cgroup_fd, prefix, listener->cgroup_id, path, sizeof(path))) {
		add_group(env, m, i, prefix, path, mta_first_process(env->cgroup_fd, path));
		return;
	}
	pid = mta_process_by_inode(env->proc_fd, listener->inode);
	snprintf(file, sizeof(file), "%d/cgroup", pid);
	if (prefix && pid && readfile_at(env->proc_fd, file, content, sizeof(content)) > 0 &&
	    procparse_cgroup(content, NULL, own, sizeof(own)) == 0 && strcmp(own, "/") != 0) {
		snprintf(path, sizeof(path), "%s%s", prefix, own);
		add_group(env, m, i, prefix, path, pid);
		return;
	}
	if (pid && add_group(env, m, i, NULL, NULL, pid))
		return;
	if (root_is_own(env, prefix)) {
		add_group(env, m, i, prefix, prefix, pid);
		return;
	}
	why_not(m,
		"the listener on port %u shares the root control group: whole-machine figures are used",
		listener->port);
	if (pid && m->cores <= 0) {
		m->cores = mta_group_cores(env, NULL, pid);
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
	const char *prefix = env->cgroup_fd < 0 ? NULL : mta_group_prefix(env->cgroup_fd);
	char file[32], content[64];

	memset(m, 0, sizeof(*m));
	for (unsigned i = 0; i < env->config->services; i++)
		find_service(env, m, i, prefix);
	snprintf(file, sizeof(file), "%d/comm", m->pid);
	if (m->pid > 0 && readfile_at(env->proc_fd, file, content, sizeof(content)) > 0)
		snprintf(m->comm, sizeof(m->comm), "%.*s", (int)strcspn(content, "\n"), content);
}

/* Compare all bytes: those after the end of a path are zero, too. */
static bool same(const struct mta *a, const struct mta *b)
{
	return a->count == b->count && a->cores == b->cores && a->pid == b->pid &&
	       memcmp(a->group, b->group, sizeof(a->group)) == 0 && strcmp(a->why, b->why) == 0;
}

static uint64_t look(void *context, bool idle)
{
	struct mta_watch *w = context;
	struct mta m;

	mta_find(&w->env, &m);
	if (w->mta.generation == 0 || !same(&m, &w->mta)) {
		m.generation = w->mta.generation + 1;
		shared_view_put(&w->view, &w->mta, &m, sizeof(m));
	}
	return LOOK_EVERY_S * US_PER_S;
}

int mta_watch_open(const struct sensor_env *env, struct mta_watch **ret_watch, char *why)
{
	struct mta_watch *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	w->env = *env;
	r = shared_view_open(&w->view, env->worker, look, w, "looks for the MTA", why);
	if (r < 0) {
		free(w);
		return r;
	}
	*ret_watch = w;
	return 0;
}

bool mta_watch_read(struct mta_watch *w, uint64_t generation, struct mta *ret_mta)
{
	bool fresh;

	if (!w || pthread_mutex_trylock(&w->view.lock) != 0)
		return false;
	fresh = w->mta.generation != 0 && w->mta.generation != generation;
	if (fresh)
		*ret_mta = w->mta; /* copied only if it changed: it is large */
	pthread_mutex_unlock(&w->view.lock);
	return fresh;
}

void mta_watch_close(struct mta_watch *w)
{
	if (!w || !shared_view_close(&w->view, w))
		return;
	free(w);
}
