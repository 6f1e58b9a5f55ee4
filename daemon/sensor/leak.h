/* Which control group will soon have used up its memory, or the machine's, if it goes on growing as
 * it does. */
#ifndef PENSTOCK_SENSOR_LEAK_H
#define PENSTOCK_SENSOR_LEAK_H

#include <stdbool.h>

#include "sensor/group_tree.h"

struct leak_found {
	int who; /* index into the tree */
	double growth_per_s; /* bytes */
	double seen_s; /* for how long it has grown so */
	double left_s; /* until there is no more */
};

/* Of several groups that grow, the one that reaches its limit first; in it, the part that grows.
 * `available`: bytes of the machine. False: no group reaches its limit within a week. */
bool leak_find(const struct group_tree *memory, bool is_v1, int cgroup_fd, double available,
	       struct leak_found *ret);

#endif
