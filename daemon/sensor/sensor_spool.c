/* Space and inodes of the queue directories, as an unprivileged writer has them (f_bavail). statvfs() may hang on a dead
 * network file system, so a thread asks, and what it learned ages away. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>

#include "base/clock.h"
#include "sensor/sensors.h"

#define DIRS (PLAN_SERVICES * CONFIG_QUEUE_DIRS)
#define ASK_EVERY_MS 500
#define OLD_US (10 * US_PER_S)

struct spool {
	char dirs[DIRS][CONFIG_PATH_MAX];
	unsigned count;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t stop_cond;
	bool stop;
	uint64_t asked_us; /* when the figures below were had */
	double used_ratio, inodes_ratio, free_bytes;
	int error; /* of the last look */
	char failed[CONFIG_PATH_MAX];
};

static void ask(struct spool *s)
{
	double used = 0, inodes = 0, free_bytes = -1;
	int error = 0;
	const char *failed = "";

	for (unsigned i = 0; i < s->count; i++) {
		struct statvfs v;
		double blocks, available;

		if (statvfs(s->dirs[i], &v) < 0) {
			error = -errno;
			failed = s->dirs[i];
			continue;
		}
		blocks = (double)(v.f_blocks - v.f_bfree + v.f_bavail);
		available = (double)v.f_bavail * (double)v.f_frsize;
		if (blocks > 0 && 1 - (double)v.f_bavail / blocks > used)
			used = 1 - (double)v.f_bavail / blocks;
		/* btrfs and others have no fixed number of inodes: f_files is 0. */
		if (v.f_files > 0 && 1 - (double)v.f_favail / (double)v.f_files > inodes)
			inodes = 1 - (double)v.f_favail / (double)v.f_files;
		if (free_bytes < 0 || available < free_bytes)
			free_bytes = available;
	}
	pthread_mutex_lock(&s->lock);
	s->error = error;
	snprintf(s->failed, sizeof(s->failed), "%s", failed);
	if (free_bytes >= 0) {
		s->used_ratio = used;
		s->inodes_ratio = inodes;
		s->free_bytes = free_bytes;
		s->asked_us = clock_monotonic_us();
	}
	pthread_mutex_unlock(&s->lock);
}

static void *run(void *state)
{
	struct spool *s = state;
	struct timespec until;

	pthread_mutex_lock(&s->lock);
	while (!s->stop) {
		pthread_mutex_unlock(&s->lock);
		ask(s);
		pthread_mutex_lock(&s->lock);
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += ASK_EVERY_MS * 1000000L;
		if (until.tv_nsec >= 1000000000L) {
			until.tv_sec++;
			until.tv_nsec -= 1000000000L;
		}
		if (!s->stop)
			pthread_cond_timedwait(&s->stop_cond, &s->lock, &until);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

static int spool_open(const struct sensor_env *env, void **ret_state, char *why)
{
	struct spool *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	for (unsigned i = 0; i < env->config->services; i++)
		for (unsigned q = 0;
		     q < CONFIG_QUEUE_DIRS && env->config->service[i].queue_dirs[q][0]; q++)
			memcpy(s->dirs[s->count++], env->config->service[i].queue_dirs[q],
			       CONFIG_PATH_MAX);
	if (!s->count) {
		snprintf(why, SENSOR_WHY_MAX,
			 "no service has queue_dirs: spool space is not watched");
		free(s);
		return -ENOENT;
	}
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->stop_cond, NULL);
	r = pthread_create(&s->thread, NULL, run, s);
	if (r) {
		free(s);
		return -r;
	}
	*ret_state = s;
	return 0;
}

static int spool_poll(void *state, uint64_t now_us, struct sample *sample, struct load *load,
		      char *why)
{
	struct spool *s = state;
	int r = 0;

	if (pthread_mutex_trylock(&s->lock) != 0)
		return 0;
	if (s->asked_us && now_us < s->asked_us + OLD_US) {
		sample_put(sample, SIGNAL_SPOOL_USED_RATIO, s->used_ratio, VIA_STATVFS);
		sample_put(sample, SIGNAL_SPOOL_INODES_USED_RATIO, s->inodes_ratio, VIA_STATVFS);
		sample_put(sample, SIGNAL_SPOOL_FREE_BYTES, s->free_bytes, VIA_STATVFS);
	} else if (s->asked_us || s->error) {
		r = s->error ? s->error : -ETIMEDOUT;
		snprintf(why, SENSOR_WHY_MAX, "statvfs(%.80s): %s", s->failed, strerror(-r));
	}
	pthread_mutex_unlock(&s->lock);
	return r;
}

static void spool_close(void *state)
{
	struct spool *s = state;

	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_signal(&s->stop_cond);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	pthread_cond_destroy(&s->stop_cond);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static const enum signal spool_signals[] = { SIGNAL_SPOOL_USED_RATIO,
					     SIGNAL_SPOOL_INODES_USED_RATIO,
					     SIGNAL_SPOOL_FREE_BYTES, SIGNAL__COUNT };
const struct sensor_ops sensor_spool = { "spool", spool_signals, spool_open, spool_poll,
					 spool_close };
