/* Who the MTA is: from the listener on the service's port to its control group, the limits above it and the CPUs it may use.
 * Looked up by a thread every few seconds, because an MTA restarts and the look-up walks directories. */
#ifndef PENSTOCK_SENSOR_MTA_H
#define PENSTOCK_SENSOR_MTA_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "sensor/sensor.h"

#define MTA_LIMITS 6

/* Everything by path below the cgroup root that env->cgroup_fd is; a generation counts changes. */
struct mta {
	uint64_t generation; /* 0: not looked yet */
	bool found;
	char why[SENSOR_WHY_MAX]; /* when not */
	char unified
		[CONFIG_PATH_MAX]; /* directory with cpu.stat and *.pressure, empty: none of its own */
	char memory
		[MTA_LIMITS]
		[CONFIG_PATH_MAX]; /* its own first, then those above that have a limit; empty ends */
	bool memory_v1;
	double cores; /* 0: not known */
};

struct mta_watch;

int mta_watch_open(const struct sensor_env *env, struct mta_watch **ret_watch, char *why);
/* Copies what was last found when its generation is not `generation`. Never blocks. */
bool mta_watch_read(struct mta_watch *watch, uint64_t generation, struct mta *ret_mta);
void mta_watch_close(struct mta_watch *watch);
/* One look-up, for tests. */
void mta_find(const struct sensor_env *env, struct mta *ret_mta);

#endif
