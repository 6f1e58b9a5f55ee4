/* Reads what one control group uses, from its open files into its node: cgroup2 and v1. */
#ifndef PENSTOCK_SENSOR_GROUP_READ_H
#define PENSTOCK_SENSOR_GROUP_READ_H

#include "sensor/group_tree.h"

/* rates are smoothed over this time, so that no group is named because of one moment */
#define GROUP_TAU_S 2.0

/* Each sets node->use; -1: not known (the group has gone, or this is its first reading). `dt_s`:
 * since the last reading; 0: the first. */
void group_read_cpu(struct group_node *node, bool v1, double dt_s); /* cores */
/* Bytes a second, 16 KiB more for each request, 64 KiB more for each call of fsync(): the journal's
 * thread writes the commit, and flushes the disk. */
void group_read_io(struct group_node *node, bool v1, double dt_s);
/* Bytes without page cache; feeds the node's trend. */
void group_read_memory(struct group_node *node, bool v1, uint64_t now_us);

#endif
