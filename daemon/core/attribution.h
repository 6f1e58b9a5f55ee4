/* Names the control group that causes a load. From a tree of groups with the use of a resource
 * by each (its children included), it picks the one that says most about the cause. The mail
 * server's own use is subtracted, also from the groups above it. */
#ifndef PENSTOCK_CORE_ATTRIBUTION_H
#define PENSTOCK_CORE_ATTRIBUTION_H

#include <stdbool.h>

#define ATTRIBUTION_NONE (-1)
#define ATTRIBUTION_OUTSIDE (-2) /* processes outside any group */

struct attribution_group {
	const char *name; /* last part of its path: "backup.service" */
	int parent; /* index, always smaller than its own; -1: at the top */
	double use; /* of the resource, children included; any unit */
	bool mail; /* the mail server's own group, or one of penstock's: its use is never blamed */
};

struct attribution {
	/* index of the group that causes the load, ATTRIBUTION_NONE or ATTRIBUTION_OUTSIDE */
	int who;
	double use; /* its own, without the mail server's part */
	double share; /* of the use of all but the mail server; 0..1 */
};

/* Walks down the tree from the top, to the largest child each time. A slice says little, so the
 * walk goes on below it. A service, scope or container is the answer, unless one of its children
 * has most of its use. If two are equal, the first one wins.
 *
 * `floor`: a group that uses less is not named (unit of `use`), since a group that takes a
 * hundredth of a core does not disturb others. `total`: the use of the whole machine, so that the
 * use outside any group shows; negative: not known. `scratch` has room for `count` values. */
struct attribution attribution_find(const struct attribution_group *groups, unsigned count,
				    double total, double floor, double *scratch);

/* Whether a unit is penstock itself, or writes its log lines: each refusal is a log line, so the
 * program that writes it is not a neighbour. */
bool attribution_is_own(const char *unit);

#endif
