/* Where the figures of one control group of the MTA stand: each controller in the hierarchy that
 * has it, cgroup2 or v1. On hybrid hosts a group may be known to v1 alone (docker with cgroup
 * v1). */
#ifndef PENSTOCK_SENSOR_MTA_GROUP_H
#define PENSTOCK_SENSOR_MTA_GROUP_H

#include <stdbool.h>

#include "config/config.h"
#include "sensor/sensor.h"

#define MTA_LIMITS 6

/* One control group of the MTA. Everything by path below the cgroup root that env->cgroup_fd is. */
struct mta_group {
	unsigned service; /* index of the first service that it serves */
	char unified[CONFIG_PATH_MAX]; /* directory in cgroup2, with *.pressure; empty: none */
	/* directory with cpu.stat, or v1's cpuacct.usage; empty: none */
	char cpu[CONFIG_PATH_MAX];
	bool cpu_v1;
	/* its own first, then those above that have a limit; empty ends */
	char memory[MTA_LIMITS][CONFIG_PATH_MAX];
	bool memory_v1;
	/* directory with io.stat, or v1's blkio.throttle.*; empty: none */
	char io[CONFIG_PATH_MAX];
	bool io_v1;
};

/* The cgroup2 tree below the root: itself, or its "unified" on hybrid hosts; NULL: there is
 * none. */
const char *mta_group_prefix(int cgroup_fd);
/* Fills `ret`, all bytes of it, from its directory `path` in cgroup2 (which begins with `prefix`;
 * NULL: it has none of its own) and from what /proc says of process `pid` (0: not known). */
void mta_group_find(const struct sensor_env *env, const char *prefix, const char *path, int pid,
		    struct mta_group *ret);
/* The directory that stands for the group: in cgroup2, or else in v1; empty: it has none. */
const char *mta_group_home(const struct mta_group *group);
/* Cores that process `pid` of the group (may be NULL) may use; 0: not known. */
double mta_group_cores(const struct sensor_env *env, const struct mta_group *group, int pid);

#endif
