#include "sensor/filters.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/array.h"
#include "base/clock.h"
#include "base/text.h"
#include "core/attribution.h"
#include "kernel/sockdiag.h"
#include "sensor/shared_view.h"
#include "sensor/mta.h"
#include "sensor/mta_process.h"
#include "sensor/sensor.h"

#define LISTENERS 128
/* The look-ups take at most 1/CPU_PART of a CPU, so they are rarer on a host with 50,000
 * connections. */
#define CPU_PART 500
#define REST_MIN_US (5 * US_PER_S)
#define REST_MAX_US (60 * US_PER_S)
#define FORGET_US (600 * US_PER_S) /* a filter without a connection for so long is forgotten */

struct filter_watch {
	struct sensor_env env;
	int diag_fd;
	struct mta mta;
	struct shared_view view;
	struct filters found; /* written under the lock of the view */
};

/* Ports on which a server looks something up; it passes no mail there. */
static bool is_lookup(uint16_t port)
{
	static const uint16_t ports[] = { 53, 389, 636, 3306, 5432, 6379, 11211 };

	for (size_t i = 0; i < ARRAY_SIZE(ports); i++)
		if (ports[i] == port)
			return true;
	return false;
}

static bool is_service(const struct config *config, uint16_t port)
{
	for (unsigned i = 0; i < config->services; i++)
		for (unsigned p = 0; p < CONFIG_PORTS && config->service[i].ports[p]; p++)
			if (config->service[i].ports[p] == port)
				return true;
	return false;
}

/* The cgroup2 ids of the mail server: inodes of its directories. The root group is not its own, so
 * it is left out. */
static unsigned mail_groups(const struct sensor_env *env, const struct mta *m,
			    uint64_t ids[MTA_GROUPS])
{
	unsigned n = 0;
	struct stat st;

	for (unsigned i = 0; i < m->count; i++)
		if (strchr(m->group[i].unified, '/') &&
		    fstatat(env->cgroup_fd, m->group[i].unified, &st, 0) == 0)
			ids[n++] = st.st_ino;
	return n;
}

static void name_listener(const struct sockdiag_listener *l, char ret[FILTER_NAME_MAX])
{
	char text[INET6_ADDRSTRLEN] = "";

	if (IN6_IS_ADDR_V4MAPPED(&l->address))
		inet_ntop(AF_INET, &l->address.s6_addr[12], text, sizeof(text));
	else
		inet_ntop(AF_INET6, &l->address, text, sizeof(text));
	snprintf(ret, FILTER_NAME_MAX, strchr(text, ':') ? "[%s]:%u" : "%s:%u", text, l->port);
}

/* Finds the owner of the listener. False: it is no filter. */
static bool describe(const struct sensor_env *env, const struct sockdiag_listener *l,
		     struct filter *ret)
{
	const char *prefix = mta_group_prefix(env->cgroup_fd), *name;
	struct text unit;
	char path[CONFIG_PATH_MAX];
	struct mta_group group;

	memset(ret, 0, sizeof(*ret));
	unit = (struct text){ .data = ret->unit, .size = sizeof(ret->unit) };
	name_listener(l, ret->listener);
	ret->port = l->port;
	ret->address = l->address;
	ret->cores = -1;
	if (!prefix || !l->cgroup_id ||
	    !mta_group_by_id(env->cgroup_fd, prefix, l->cgroup_id, path, sizeof(path)))
		return true;
	name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	if (attribution_is_own(name))
		return false;
	text_append_clean(&unit, name, strlen(name));
	mta_group_find(env, prefix, path, mta_first_process(env->cgroup_fd, path), &group);
	if (!group.cpu_v1)
		snprintf(ret->cpu, sizeof(ret->cpu), "%s", group.cpu);
	return true;
}

static struct filter *known(struct filters *f, const struct sockdiag_listener *l)
{
	for (unsigned i = 0; i < f->count; i++)
		if (f->each[i].port == l->port &&
		    memcmp(&f->each[i].address, &l->address, sizeof(l->address)) == 0)
			return &f->each[i];
	return NULL;
}

static void forget(struct filters *f, uint64_t now_us)
{
	for (unsigned i = 0; i < f->count;) {
		if (now_us < f->each[i].seen_us + FORGET_US) {
			i++;
			continue;
		}
		f->each[i] = f->each[--f->count];
		f->generation++;
	}
}

static void note(const struct sensor_env *env, const struct sockdiag_listener *l, uint64_t now_us,
		 struct filters *f)
{
	struct filter fresh, *is = known(f, l);

	if (!is) {
		if (f->count == FILTERS_MAX || !describe(env, l, &fresh))
			return;
		is = &f->each[f->count++];
		*is = fresh;
		f->generation++;
	}
	is->clients = l->clients;
	if (l->clients)
		is->seen_us = now_us;
}

static int look_at(const struct sensor_env *env, int diag_fd, const struct mta *m, uint64_t now_us,
		   struct filters *f)
{
	struct sockdiag_listener listener[LISTENERS];
	uint64_t mail[MTA_GROUPS];
	unsigned groups = mail_groups(env, m, mail), count = 0;
	int n, r;

	if (!f->generation)
		f->generation = 1;
	forget(f, now_us);
	if (!groups)
		return 0;
	n = sockdiag_listeners(diag_fd, NULL, 0, listener, LISTENERS);
	if (n < 0)
		return n;
	for (int i = 0; i < n; i++) {
		bool own = is_service(env->config, listener[i].port) || is_lookup(listener[i].port);

		for (unsigned g = 0; g < groups && !own; g++)
			own = listener[i].cgroup_id == mail[g];
		if (!own)
			listener[count++] = listener[i];
	}
	r = count ? sockdiag_count_clients(diag_fd, mail, groups, listener, count) : 0;
	for (unsigned i = 0; i < count && r == 0; i++)
		if (listener[i].clients || known(f, &listener[i]))
			note(env, &listener[i], now_us, f);
	return r;
}

static uint64_t look(void *context, bool idle)
{
	struct filter_watch *w = context;
	uint64_t cpu_us = clock_read_us(CLOCK_THREAD_CPUTIME_ID), rest_us;
	struct filters found = w->found; /* only this thread writes it */

	mta_watch_read(w->env.mta, w->mta.generation, &w->mta);
	if (w->mta.generation == 0)
		return US_PER_S; /* not looked yet */
	look_at(&w->env, w->diag_fd, &w->mta, clock_monotonic_us(), &found);
	shared_view_put(&w->view, &w->found, &found, sizeof(found));
	rest_us = (clock_read_us(CLOCK_THREAD_CPUTIME_ID) - cpu_us) * CPU_PART;
	return rest_us < REST_MIN_US ? REST_MIN_US : rest_us > REST_MAX_US ? REST_MAX_US : rest_us;
}

int filter_watch_open(const struct sensor_env *env, struct filter_watch **ret_watch, char *why)
{
	struct filter_watch *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	w->env = *env;
	w->diag_fd = sockdiag_open_mta(env->config);
	if (w->diag_fd < 0) {
		r = w->diag_fd;
		snprintf(why, SENSOR_WHY_MAX, "sock_diag cannot be opened: %s", strerror(-r));
		free(w);
		return r;
	}
	r = shared_view_open(&w->view, env->worker, look, w, "looks for filters", why);
	if (r < 0) {
		close(w->diag_fd);
		free(w);
		return r;
	}
	*ret_watch = w;
	return 0;
}

bool filter_watch_read(struct filter_watch *w, struct filters *ret)
{
	return shared_view_get(&w->view, &w->found, ret, sizeof(*ret));
}

void filter_watch_close(struct filter_watch *w)
{
	if (!w || !shared_view_close(&w->view, w))
		return;
	close(w->diag_fd);
	free(w);
}
