/* The findings of spool_watch.c as signals: space and inodes of the queue directories, as available
 * to an unprivileged writer (f_bavail); and their messages. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/duration.h"
#include "sensor/disks.h"
#include "sensor/sensors.h"
#include "sensor/spool_watch.h"

/* a walk that is overdue by this factor hangs */
#define OVERDUE 5

static int open_watched(const struct sensor_env *env, size_t size, void **ret_state, char *why)
{
	if (!env->spool) {
		snprintf(why, SENSOR_WHY_MAX,
			 "the thread that looks at the queue directories does not start");
		return -EAGAIN;
	}
	*ret_state = calloc(1, size);
	return *ret_state ? 0 : -ENOMEM;
}

/* ---- space ---------------------------------------------------------------------------------- */

struct space {
	struct spool_watch *watch;
	struct disk_table *disks;
	struct spool spool;
};

static int space_open(const struct sensor_env *env, void **ret_state, char *why)
{
	int r = open_watched(env, sizeof(struct space), ret_state, why);

	if (r == 0)
		*(struct space *)*ret_state =
			(struct space){ .watch = env->spool, .disks = env->disks };
	return r;
}

static int space_poll(void *state, uint64_t now_us, struct sample *sample, struct load *load,
		      char *why)
{
	struct space *s = state;
	const struct spool_space *space = &s->spool.space;

	if (spool_watch_read(s->watch, &s->spool) && s->disks)
		disks_set_spool(s->disks, &s->spool.device, s->spool.file_system,
				s->spool.file_systems);
	if (!s->spool.dirs) {
		snprintf(why, SENSOR_WHY_MAX, "%s", s->spool.why);
		return 0; /* not a failure: this host may have no queue */
	}
	if (!space->asked_us && !space->error)
		return 0;
	if (!space->asked_us || now_us > space->asked_us + SPOOL_OLD_US) {
		int r = space->error ? space->error : -ETIMEDOUT;

		snprintf(why, SENSOR_WHY_MAX, "statvfs(%.80s): %s",
			 space->failed[0] ? space->failed : s->spool.dir[0], strerror(-r));
		return r;
	}
	sample_put(sample, SIGNAL_SPOOL_USED_RATIO, space->used_ratio, VIA_STATVFS);
	sample_put(sample, SIGNAL_SPOOL_FREE_BYTES, space->free_bytes, VIA_STATVFS);
	sample_put(sample, SIGNAL_SPOOL_INODES_USED_RATIO, space->inodes_ratio, VIA_STATVFS);
	sample_put(sample, SIGNAL_SPOOL_FREE_INODES, space->free_inodes, VIA_STATVFS);
	return 0;
}

static const enum signal space_signals[] = { SIGNAL_SPOOL_USED_RATIO,
					     SIGNAL_SPOOL_INODES_USED_RATIO,
					     SIGNAL_SPOOL_FREE_BYTES, SIGNAL_SPOOL_FREE_INODES,
					     SIGNAL__COUNT };
const struct sensor_ops sensor_spool = { .name = "spool",
					 .provides = space_signals,
					 .open = space_open,
					 .poll = space_poll,
					 .close = free,
					 .interval_min_ms = 500 };

/* ---- messages ------------------------------------------------------------------------------- */

struct queue {
	struct spool_watch *watch;
	struct spool spool;
};

static int queue_open(const struct sensor_env *env, void **ret_state, char *why)
{
	int r = open_watched(env, sizeof(struct queue), ret_state, why);

	if (r == 0)
		((struct queue *)*ret_state)->watch = env->spool;
	return r;
}

static int queue_poll(void *state, uint64_t now_us, struct sample *sample, struct load *load,
		      char *why)
{
	struct queue *s = state;
	const struct spool_queue *q = &s->spool.queue;
	char lasting[DURATION_PRINTED];
	uint64_t patience_us;

	spool_watch_read(s->watch, &s->spool);
	if (!s->spool.dirs)
		snprintf(why, SENSOR_WHY_MAX, "%s", s->spool.why);
	if (!q->walked_us)
		return 0;
	if (q->error) {
		snprintf(why, SENSOR_WHY_MAX, "%s", q->why);
		/* It is not allowed, or not the queue of a known server: status shows that. It is
		 * not a failure, because another attempt would not help. */
		return q->error == -EACCES || q->error == -EPERM || q->error == -EMEDIUMTYPE
			       ? 0
			       : q->error;
	}
	patience_us = OVERDUE * (q->interval_us + 10 * US_PER_S);
	if (now_us > q->walked_us + patience_us) {
		snprintf(why, SENSOR_WHY_MAX,
			 "the queue has not been walked for %s: its file system hangs",
			 duration_print_us(now_us - q->walked_us, lasting));
		return -ETIMEDOUT;
	}
	if (q->figures.partial)
		snprintf(why, SENSOR_WHY_MAX,
			 "the queue is larger than what is counted: %u entries",
			 q->figures.entries);
	sample_put(sample, SIGNAL_QUEUE_COUNT, q->figures.count, VIA_SPOOL);
	sample_put(sample, SIGNAL_QUEUE_READY_COUNT, q->figures.ready, VIA_SPOOL);
	sample_put(sample, SIGNAL_QUEUE_OLDEST_S, q->figures.oldest_s, VIA_SPOOL);
	return 0;
}

static const enum signal queue_signals[] = { SIGNAL_QUEUE_COUNT, SIGNAL_QUEUE_READY_COUNT,
					     SIGNAL_QUEUE_OLDEST_S, SIGNAL__COUNT };
const struct sensor_ops sensor_queue = { .name = "queue",
					 .provides = queue_signals,
					 .open = queue_open,
					 .poll = queue_poll,
					 .close = free,
					 .interval_min_ms = 500 };
