/* Gives the groups of a hierarchy their calls of fsync(), which BPF counts by cgroup2 id. */
#ifndef PENSTOCK_SENSOR_GROUP_FSYNCS_H
#define PENSTOCK_SENSOR_GROUP_FSYNCS_H

#include "sensor/group_tree.h"

struct fsync_groups; /* kernel/fsync_groups.h */

/* Reads `calls` again and sets node->fsyncs: calls since the last reading, of the children too.
 * What a group did before its first reading does not count. NULL: nothing is known, and they stay
 * 0. In a hierarchy of v1 a group is the one that cgroup2 has at the same path. */
void group_fsyncs_put(struct group_tree *tree, struct fsync_groups *calls);

#endif
