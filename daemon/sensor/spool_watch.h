/* The MTA's queue directories, looked at by a thread of their own (worker.h), because any look may
 * hang on a dead network file system: space and inodes twice a second (idle: every other second),
 * messages less often the more a walk costs, the devices below every half minute. Old figures
 * expire; the tick does not wait for new ones. Directories that are not configured are found by who
 * owns the listener, else by common places. */
#ifndef PENSTOCK_SENSOR_SPOOL_WATCH_H
#define PENSTOCK_SENSOR_SPOOL_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "sensor/queue_walk.h"
#include "sensor/sensor.h"
#include "sensor/spool_device.h"

#define SPOOL_DIRS (PLAN_SERVICES * CONFIG_QUEUE_DIRS)
#define SPOOL_OLD_US 10000000u /* figures of space older than this are none */

struct spool_space {
	uint64_t asked_us; /* CLOCK_MONOTONIC of the reading; 0: never */
	/* of the fullest; 0 inodes: the file system has no fixed number */
	double used_ratio, inodes_ratio;
	double free_bytes, free_inodes; /* of the fullest; inodes -1: no fixed number */
	int error; /* of the last look, -errno */
	char failed[CONFIG_PATH_MAX];
};

struct spool_queue {
	uint64_t walked_us; /* CLOCK_MONOTONIC at the end of the last walk; 0: never */
	uint64_t interval_us; /* until the next walk, so that walking keeps to its share */
	struct queue_figures figures;
	int error; /* -errno when the last walk gave nothing, with a sentence: */
	char why[SENSOR_WHY_MAX];
};

struct spool {
	unsigned dirs;
	char dir[SPOOL_DIRS][CONFIG_PATH_MAX];
	char why[SENSOR_WHY_MAX]; /* when there are none */
	struct spool_space space;
	struct spool_queue queue;
	struct spool_device device;
	unsigned file_systems;
	dev_t file_system[SPOOL_DIRS]; /* st_dev of the directories */
};

struct spool_watch;

int spool_watch_open(const struct sensor_env *env, struct spool_watch **ret_watch, char *why);
/* Copies what was last found. Never blocks: false when it is being written just now, or `watch` is
 * NULL. */
bool spool_watch_read(struct spool_watch *watch, struct spool *ret);
void spool_watch_close(struct spool_watch *watch);

#endif
