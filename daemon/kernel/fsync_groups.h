/* Calls of fsync() by control group, from the map of the fsync probe. For one thread. */
#ifndef PENSTOCK_KERNEL_FSYNC_GROUPS_H
#define PENSTOCK_KERNEL_FSYNC_GROUPS_H

#include <stdint.h>

struct kernel;
struct fsync_groups;

/* NULL: there is no such probe (`kernel` may be NULL), or no memory. */
struct fsync_groups *fsync_groups_open(const struct kernel *kernel);
/* Reads the map with one system call. The counts are 0 from then on if that is refused. */
void fsync_groups_read(struct fsync_groups *groups);
/* Calls by the tasks of the group with this cgroup2 id, its children not included; 0 for id 0. */
uint64_t fsync_groups_calls(const struct fsync_groups *groups, uint64_t id);
void fsync_groups_close(struct fsync_groups *groups);

#endif
