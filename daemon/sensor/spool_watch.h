/* The MTA's queue directories. A thread of their own (worker.h) looks at them, because any look may
 * hang on a dead network file system: at space and inodes twice a second (idle: every other
 * second), at messages less often the more a walk costs, at the devices below every half minute.
 * Old figures expire; the tick does not wait for new ones. If no directories are configured, they
 * are found by the owner of the listener, else by common places. */
#ifndef PENSTOCK_SENSOR_SPOOL_WATCH_H
#define PENSTOCK_SENSOR_SPOOL_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "sensor/queue_walk.h"
#include "sensor/sensor.h"
#include "sensor/spool_device.h"

#define SPOOL_DIRS (PLAN_SERVICES * CONFIG_QUEUE_DIRS)
#define SPOOL_OLD_US 10000000u /* older figures of space are not used */

struct spool_space {
	uint64_t asked_us; /* CLOCK_MONOTONIC of the reading; 0: never */
	/* of the fullest file system; 0 inodes: it has no fixed number */
	double used_ratio, inodes_ratio;
	/* of the fullest file system; inodes -1: it has no fixed number */
	double free_bytes, free_inodes;
	int error; /* of the last look, -errno */
	char failed[CONFIG_PATH_MAX];
};

struct spool_queue {
	uint64_t walked_us; /* CLOCK_MONOTONIC at the end of the last walk; 0: never */
	uint64_t interval_us; /* until the next walk, so that walking keeps to its share of time */
	struct queue_figures figures;
	int error; /* -errno of the last walk, with a sentence: */
	char why[SENSOR_WHY_MAX];
};

struct spool {
	unsigned dirs;
	char dir[SPOOL_DIRS][CONFIG_PATH_MAX];
	char why[SENSOR_WHY_MAX]; /* why there are none */
	struct spool_space space;
	struct spool_queue queue;
	struct spool_device device;
	unsigned file_systems;
	dev_t file_system[SPOOL_DIRS]; /* st_dev of the directories */
};

struct spool_watch;

int spool_watch_open(const struct sensor_env *env, struct spool_watch **ret_watch, char *why);
/* Copies the last findings. Never blocks: false while they are being written, or if `watch` is
 * NULL. */
bool spool_watch_read(struct spool_watch *watch, struct spool *ret);
void spool_watch_close(struct spool_watch *watch);

#endif
