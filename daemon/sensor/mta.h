/* Finds the MTA: from the listeners on the services' ports to their control groups, the limits
 * above them, and the CPUs that they may use. A thread looks it up every few seconds, because an
 * MTA may restart, and because the look-up walks directories. */
#ifndef PENSTOCK_SENSOR_MTA_H
#define PENSTOCK_SENSOR_MTA_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "sensor/mta_group.h"
#include "sensor/sensor.h"

#define MTA_GROUPS PLAN_SERVICES

struct mta {
	uint64_t generation; /* 0: not looked yet; else how often the result changed */
	unsigned count; /* 0: none found, see `why` */
	struct mta_group group[MTA_GROUPS];
	char why[SENSOR_WHY_MAX]; /* why none was found */
	double cores; /* 0: not known */
	int pid; /* a process of the first group; 0: not known */
	char comm[16]; /* its name; empty: not visible */
};

struct mta_watch;

int mta_watch_open(const struct sensor_env *env, struct mta_watch **ret_watch, char *why);
/* Copies the last result if its generation is not `generation`. Never blocks; `watch` may be
 * NULL. */
bool mta_watch_read(struct mta_watch *watch, uint64_t generation, struct mta *ret_mta);
void mta_watch_close(struct mta_watch *watch);
/* One look-up, for tests. */
void mta_find(const struct sensor_env *env, struct mta *ret_mta);

#endif
