/* Who it is: of a tree of control groups with what each uses of a resource (its children included),
 * the one that says most. The mail server's own use is left out, its groups and those above them
 * included. */
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

/* `floor`: who uses less than that is not named, in the unit of `use`: a group that takes a
 * hundredth of a core is no pressure on others. `total`: what the whole machine uses, so that what
 * is in no group is seen; negative: not known. `scratch` has room for `count` values. Ties go to
 * the first. Walks down from the top: a slice says little, so it goes on to its largest child; a
 * service or scope or container is an answer, unless one child of it has most of its use. */
struct attribution attribution_find(const struct attribution_group *groups, unsigned count,
				    double total, double floor, double *scratch);

/* Whether a unit is penstock itself, or what writes its log lines: a refusal is a line in the log,
 * and who writes it is no neighbour. */
bool attribution_is_own(const char *unit);

#endif
