/* Which files have the figures of one control group of the MTA: for each controller, in the
 * hierarchy that has it, cgroup2 or v1. On hybrid hosts a group may exist in v1 only (docker with
 * cgroup v1). */
#ifndef PENSTOCK_SENSOR_MTA_GROUP_H
#define PENSTOCK_SENSOR_MTA_GROUP_H

#include <stdbool.h>

#include "config/config.h"
#include "sensor/sensor.h"

#define MTA_LIMITS 6

/* One control group of the MTA. All paths are below the cgroup root env->cgroup_fd. */
struct mta_group {
	unsigned service; /* index of the first service that it serves */
	char unified[CONFIG_PATH_MAX]; /* directory in cgroup2, with *.pressure; empty: none */
	/* directory with cpu.stat, or v1's cpuacct.usage; empty: none */
	char cpu[CONFIG_PATH_MAX];
	bool cpu_v1;
	/* its own first, then those above with a limit; an empty one ends the list */
	char memory[MTA_LIMITS][CONFIG_PATH_MAX];
	bool memory_v1;
	/* directory with io.stat, or v1's blkio.throttle.*; empty: none */
	char io[CONFIG_PATH_MAX];
	bool io_v1;
};

/* The cgroup2 tree below the root: itself, or its "unified" on hybrid hosts; NULL: there is
 * none. */
const char *mta_group_prefix(int cgroup_fd);
/* Fills all bytes of `ret` from its directory `path` in cgroup2 (which begins with `prefix`; NULL:
 * it has no directory there) and from /proc of process `pid` (0: not known). */
void mta_group_find(const struct sensor_env *env, const char *prefix, const char *path, int pid,
		    struct mta_group *ret);
/* The directory that identifies the group: in cgroup2, else in v1; empty: there is none. */
const char *mta_group_home(const struct mta_group *group);
/* Cores that process `pid` of the group (may be NULL) may use; 0: not known. */
double mta_group_cores(const struct sensor_env *env, const struct mta_group *group, int pid);

#endif
