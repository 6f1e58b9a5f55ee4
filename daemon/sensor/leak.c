#include "sensor/leak.h"

#include <math.h>
#include <stdio.h>

#include "base/readfile.h"
#include "core/law.h"

#define LEAK_CHILD 0.7 /* of its parent's growth: a child with more is the one that leaks */
#define LEAK_AHEAD_S (7 * 86400.0)

/* How much more the group can use: up to its own limit, the nearest limit above it, or all memory
 * of the machine. */
static double room_of(const struct group_tree *t, bool is_v1, int cgroup_fd, unsigned i,
		      double available)
{
	double room = available;

	for (int at = (int)i; at >= 0; at = t->node[at].parent) {
		const struct group_node *n = &t->node[at];
		char path[GROUP_PATH_MAX + 32];
		uint64_t limit, high;

		snprintf(path, sizeof(path), "%s/%s", n->path,
			 is_v1 ? "memory.limit_in_bytes" : "memory.max");
		if (readfile_u64_at(cgroup_fd, path, &limit) < 0)
			continue;
		snprintf(path, sizeof(path), "%s/memory.high", n->path);
		if (!is_v1 && readfile_u64_at(cgroup_fd, path, &high) == 0 && high < limit)
			limit = high;
		if (limit < UINT64_C(1) << 60)
			room = fmin(room, fmax(0, (double)limit - n->use));
	}
	return room;
}

static double growth_of(const struct group_node *n, double *ret_seen_s)
{
	double growth;

	return n->trend && n->use >= 0 && trend_falling(n->trend, &growth, ret_seen_s) ? growth : 0;
}

bool leak_find(const struct group_tree *t, bool is_v1, int cgroup_fd, double available,
	       struct leak_found *ret)
{
	double seen_s = 0, left, least = LEAK_AHEAD_S, growth = 0;
	int who = -1;

	for (unsigned i = 0; i < t->count; i++) {
		double g = growth_of(&t->node[i], &seen_s);

		if (g <= 0)
			continue;
		left = room_of(t, is_v1, cgroup_fd, i, available) / g;
		if (left < least && left <= TREND_LOOK_TIMES * seen_s) {
			least = left;
			who = (int)i;
			growth = g;
		}
	}
	/* Children come after their parents in the tree. */
	for (unsigned i = 0; i < t->count && who >= 0; i++) {
		double g;

		if (t->node[i].parent != who)
			continue;
		g = growth_of(&t->node[i], &seen_s);
		if (g >= LEAK_CHILD * growth) {
			who = (int)i;
			growth = g;
		}
	}
	if (who < 0)
		return false;
	growth_of(&t->node[who], &seen_s);
	*ret = (struct leak_found){
		.who = who, .growth_per_s = growth, .seen_s = seen_s, .left_s = least
	};
	return true;
}
