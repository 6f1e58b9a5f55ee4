/* The directories of one cgroup hierarchy, parents before children, each with its files kept open.
 * It is rebuilt from time to time. For a group that still exists (same path, same inode) the known
 * data is kept. */
#ifndef PENSTOCK_SENSOR_GROUP_TREE_H
#define PENSTOCK_SENSOR_GROUP_TREE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/trend.h"

#define GROUP_PATH_MAX 256
#define GROUP_FILES 2
#define GROUPS_MAX 256

struct group_node {
	/* below the cgroup root's descriptor: "unified/system.slice/a.service" */
	char path[GROUP_PATH_MAX];
	int parent; /* index, -1: at the top */
	ino_t inode;
	int fd[GROUP_FILES]; /* -1: no such file */
	/* used by neighbours.c */
	uint64_t id; /* of the same group in cgroup2; 0: not known */
	uint64_t calls, fsyncs; /* of fsync(), its own up to now, and all in this reading */
	uint64_t counter[GROUP_FILES];
	bool primed;
	double use, stat_bytes;
	uint64_t stat_current;
	struct trend *trend; /* memory only; owned */
};

struct group_tree {
	int cgroup_fd;
	/* directory of the hierarchy: ".", "unified", "memory"; empty: there is none */
	char root[32];
	const char *files[GROUP_FILES];
	bool trends; /* nodes get a trend */
	unsigned count, most;
	bool more; /* there are more groups than there is room for */
	struct group_node *node;
};

/* For at most `most` groups. 0 or -ENOMEM. */
int group_tree_init(struct group_tree *tree, int cgroup_fd, const char *root,
		    const char *const files[GROUP_FILES], bool trends, unsigned most);
void group_tree_done(struct group_tree *tree);
/* Walks the hierarchy again. 0, or -errno; then the old tree stays. */
int group_tree_rebuild(struct group_tree *tree);
/* The last part of a node's path. */
const char *group_node_name(const struct group_node *node);

#endif
