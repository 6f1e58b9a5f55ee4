/* The filters behind the mail server (filters.h), each tick: accept queues and CPU as signals, and
 * a snapshot for the outputs. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/readfile.h"
#include "kernel/sockdiag.h"
#include "sensor/filters.h"
#include "sensor/procparse.h"
#include "sensor/sensors.h"

#define LISTENERS 16

struct cpu_reading {
	int fd;
	uint64_t used_us, at_us; /* at_us 0: no reading yet */
};

struct state {
	struct filter_watch *watch;
	struct filters *snapshot; /* the registry's */
	int diag_fd, cgroup_fd;
	uint64_t generation; /* path of the file that `cpu` has open */
	struct cpu_reading cpu[FILTERS_MAX];
};

static void close_cpu(struct state *s)
{
	for (int i = 0; i < FILTERS_MAX; i++) {
		if (s->cpu[i].fd >= 0)
			close(s->cpu[i].fd);
		s->cpu[i] = (struct cpu_reading){ .fd = -1 };
	}
}

static int filters_open(const struct sensor_env *env, void **ret_state, char *why)
{
	struct state *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	for (int i = 0; i < FILTERS_MAX; i++)
		s->cpu[i].fd = -1;
	s->snapshot = env->filters;
	s->cgroup_fd = env->cgroup_fd;
	s->diag_fd = sockdiag_open_mta(env->config);
	if (s->diag_fd < 0) {
		r = s->diag_fd;
		snprintf(why, SENSOR_WHY_MAX, "sock_diag cannot be opened: %s", strerror(-r));
		free(s);
		return r;
	}
	r = filter_watch_open(env, &s->watch, why);
	if (r < 0) {
		close(s->diag_fd);
		free(s);
		return r;
	}
	*ret_state = s;
	return 0;
}

static void follow(struct state *s, const struct filters *now)
{
	if (now->generation == s->generation)
		return;
	s->generation = now->generation;
	close_cpu(s);
	for (unsigned i = 0; i < now->count; i++) {
		const struct filter *f = &now->each[i];
		char path[CONFIG_PATH_MAX + 16];

		log_info("the mail server hands mail to %s%s%s", f->listener,
			 f->unit[0] ? " of " : "", f->unit);
		snprintf(path, sizeof(path), "%s/cpu.stat", f->cpu);
		if (f->cpu[0])
			s->cpu[i].fd = openat(s->cgroup_fd, path, O_RDONLY | O_CLOEXEC);
	}
}

/* Cores used since the last reading; -1: not known. */
static double read_cpu(struct cpu_reading *c, uint64_t now_us)
{
	char content[1024];
	uint64_t used_us;
	double cores = -1;

	if (c->fd < 0 || readfile_once(c->fd, content, sizeof(content)) <= 0 ||
	    procparse_cpu_used(content, false, &used_us) < 0) {
		c->at_us = 0;
		return -1;
	}
	if (c->at_us && now_us > c->at_us && used_us >= c->used_us)
		cores = (double)(used_us - c->used_us) / (double)(now_us - c->at_us);
	c->used_us = used_us;
	c->at_us = now_us;
	return cores;
}

static int read_queues(struct state *s, struct filters *f)
{
	uint16_t ports[FILTERS_MAX + 1] = { 0 };
	struct sockdiag_listener found[LISTENERS];
	int n;

	for (unsigned i = 0; i < f->count; i++)
		ports[i] = f->each[i].port;
	n = sockdiag_listeners(s->diag_fd, ports, FILTERS_MAX, found, LISTENERS);
	for (int i = 0; i < n; i++)
		for (unsigned k = 0; k < f->count; k++)
			if (f->each[k].port == found[i].port &&
			    memcmp(&f->each[k].address, &found[i].address,
				   sizeof(found[i].address)) == 0) {
				f->each[k].listens = true;
				f->each[k].queue = found[i].queue;
				f->each[k].limit = found[i].limit;
			}
	return n < 0 ? n : 0;
}

static int filters_poll(void *state, uint64_t now_us, struct sample *sample, struct load *load,
			char *why)
{
	struct state *s = state;
	struct filters now;
	double queue = 0, fullest = 0, clients = 0, cores = -1;
	bool any = false;
	int r;

	if (!filter_watch_read(s->watch, &now))
		now = *s->snapshot;
	if (!now.count) {
		follow(s, &now);
		*s->snapshot = now;
		return 0;
	}
	follow(s, &now);
	for (unsigned i = 0; i < now.count; i++)
		now.each[i].listens = false;
	r = read_queues(s, &now);
	if (r < 0) {
		snprintf(why, SENSOR_WHY_MAX, "sock_diag does not answer: %s", strerror(-r));
		return r;
	}
	for (unsigned i = 0; i < now.count; i++) {
		struct filter *f = &now.each[i];
		double ratio = f->limit ? (double)f->queue / f->limit : 0;

		f->cores = read_cpu(&s->cpu[i], now_us);
		if (f->cores >= 0)
			cores = (cores < 0 ? 0 : cores) + f->cores;
		if (!f->listens)
			continue;
		any = true;
		queue += f->queue;
		clients += f->clients;
		fullest = ratio > fullest ? ratio : fullest;
	}
	if (any) {
		sample_put(sample, SIGNAL_FILTER_QUEUE_RATIO, fullest, VIA_SOCK_DIAG);
		sample_put(sample, SIGNAL_FILTER_QUEUE_COUNT, queue, VIA_SOCK_DIAG);
		sample_put(sample, SIGNAL_FILTER_CONNECTIONS, clients, VIA_SOCK_DIAG);
	}
	sample_put(sample, SIGNAL_FILTER_CPU_CORES, cores, VIA_CGROUP);
	*s->snapshot = now;
	return 0;
}

static void filters_close(void *state)
{
	struct state *s = state;

	filter_watch_close(s->watch);
	close_cpu(s);
	close(s->diag_fd);
	memset(s->snapshot, 0, sizeof(*s->snapshot));
	free(s);
}

static const enum signal filter_signals[] = { SIGNAL_FILTER_QUEUE_RATIO, SIGNAL_FILTER_QUEUE_COUNT,
					      SIGNAL_FILTER_CONNECTIONS, SIGNAL_FILTER_CPU_CORES,
					      SIGNAL__COUNT };
const struct sensor_ops sensor_filters = { .name = "filters",
					   .provides = filter_signals,
					   .open = filters_open,
					   .poll = filters_poll,
					   .close = filters_close,
					   .interval_min_ms = 200 };
