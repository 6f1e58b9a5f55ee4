#include "sensor/group_fsyncs.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "kernel/fsync_groups.h"
#include "sensor/mta_group.h"

static void find_id(const struct group_tree *t, const char *unified, struct group_node *n)
{
	char path[GROUP_PATH_MAX + 64];
	struct stat st;

	snprintf(path, sizeof(path), "%s%s", unified, n->path + strlen(t->root));
	if (fstatat(t->cgroup_fd, path, &st, 0) == 0)
		n->id = st.st_ino;
}

void group_fsyncs_put(struct group_tree *t, struct fsync_groups *calls)
{
	const char *unified = mta_group_prefix(t->cgroup_fd);

	if (!calls || !unified)
		return;
	fsync_groups_read(calls);
	for (unsigned i = 0; i < t->count; i++) {
		struct group_node *n = &t->node[i];
		bool known = n->id != 0;
		uint64_t before = n->calls;

		if (!known)
			find_id(t, unified, n);
		n->calls = fsync_groups_calls(calls, n->id);
		/* Fewer than before: the probe has forgotten the group. */
		n->fsyncs = known && n->calls > before ? n->calls - before : 0;
	}
	/* Parents come before their children. */
	for (unsigned i = t->count; i-- > 0;)
		if (t->node[i].parent >= 0)
			t->node[t->node[i].parent].fsyncs += t->node[i].fsyncs;
}
