/* Finds the control group that will soon have used up its memory, or the machine's, at its present
 * growth. */
#ifndef PENSTOCK_SENSOR_LEAK_H
#define PENSTOCK_SENSOR_LEAK_H

#include <stdbool.h>

#include "sensor/group_tree.h"

struct leak_found {
	int who; /* index into the tree */
	double growth_per_s; /* bytes */
	double seen_s; /* how long it has grown like this */
	double left_s; /* until its memory is used up */
};

/* Of several groups that grow, the one that reaches its limit first, and of its children the one
 * that grows. `available`: bytes of the machine. False: no group reaches its limit within a
 * week. */
bool leak_find(const struct group_tree *memory, bool is_v1, int cgroup_fd, double available,
	       struct leak_found *ret);

#endif
