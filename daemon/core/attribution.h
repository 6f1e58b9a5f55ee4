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
	int who; /* index, ATTRIBUTION_NONE or ATTRIBUTION_OUTSIDE */
	double use; /* its own, the mail server's part taken off */
	double share; /* of what all others than the mail server use; 0..1 */
};

/* `floor`: a group that uses less is not named, in the unit of `use`: a group that takes a
 * hundredth of a core does not disturb others. `total`: what the whole machine uses, so that
 * what is in no group is seen; negative: not known. `scratch` has room for `count` values. Ties
 * go to the first. Walks down from the top. A slice says little, so the walk goes on to its
 * largest child. A service, scope or container is the answer, unless one of its children has
 * most of its use. */
struct attribution attribution_find(const struct attribution_group *groups, unsigned count,
				    double total, double floor, double *scratch);

/* Whether a unit is penstock itself, or writes its log lines: each refusal is a log line, so the
 * program that writes it is not a neighbour. */
bool attribution_is_own(const char *unit);

#endif
