#include "sensor/group_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MAX 8

int group_tree_init(struct group_tree *t, int cgroup_fd, const char *root,
		    const char *const files[GROUP_FILES], bool trends, unsigned most)
{
	memset(t, 0, sizeof(*t));
	t->cgroup_fd = cgroup_fd;
	t->trends = trends;
	t->most = most < GROUPS_MAX ? most : GROUPS_MAX;
	memcpy(t->files, files, sizeof(t->files));
	snprintf(t->root, sizeof(t->root), "%s", root);
	t->node = calloc(t->most, sizeof(*t->node));
	return t->node ? 0 : -ENOMEM;
}

static void forget(struct group_node *n)
{
	for (int i = 0; i < GROUP_FILES; i++)
		if (n->fd[i] >= 0)
			close(n->fd[i]);
	free(n->trend);
}

void group_tree_done(struct group_tree *t)
{
	for (unsigned i = 0; i < t->count; i++)
		forget(&t->node[i]);
	free(t->node);
	t->node = NULL;
	t->count = 0;
}

struct build {
	struct group_tree *tree;
	struct group_node *fresh;
	unsigned count;
	bool *kept; /* which of the old nodes are kept */
};

static bool carry_over(struct build *b, struct group_node *n)
{
	for (unsigned i = 0; i < b->tree->count; i++) {
		const struct group_node *old = &b->tree->node[i];
		int parent = n->parent;

		if (b->kept[i] || old->inode != n->inode || strcmp(old->path, n->path) != 0)
			continue;
		*n = *old;
		n->parent = parent;
		b->kept[i] = true;
		return true;
	}
	return false;
}

static void open_node(struct build *b, struct group_node *n)
{
	for (int i = 0; i < GROUP_FILES; i++) {
		char path[GROUP_PATH_MAX + 48];

		n->fd[i] = -1;
		if (!b->tree->files[i])
			continue;
		snprintf(path, sizeof(path), "%s/%s", n->path, b->tree->files[i]);
		n->fd[i] = openat(b->tree->cgroup_fd, path, O_RDONLY | O_CLOEXEC);
	}
	n->use = -1;
	if (b->tree->trends)
		n->trend = calloc(1, sizeof(*n->trend));
}

/* Walks depth first. That gives the order that attribution needs, and keeps only the descriptors of
 * a directory and its parents open. (Level by level would be better if there are too many
 * groups.) */
static int add_below(struct build *b, const char *path, int parent, int depth)
{
	int fd = openat(b->tree->cgroup_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		int r = -errno;

		if (fd >= 0)
			close(fd);
		return r;
	}
	while ((entry = readdir(dir))) {
		struct group_node *n = &b->fresh[b->count];
		int index = (int)b->count;

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		if (b->count == b->tree->most) {
			b->tree->more = true;
			break;
		}
		memset(n, 0, sizeof(*n));
		if ((size_t)snprintf(n->path, sizeof(n->path), "%s/%s", path, entry->d_name) >=
		    sizeof(n->path))
			continue;
		n->parent = parent;
		n->inode = entry->d_ino;
		if (!carry_over(b, n))
			open_node(b, n);
		b->count++;
		if (depth < DEPTH_MAX)
			add_below(b, b->fresh[index].path, index, depth + 1);
	}
	closedir(dir);
	return 0;
}

int group_tree_rebuild(struct group_tree *t)
{
	struct build b = { .tree = t };
	int r = -ENOMEM;

	if (!t->root[0])
		return -ENOENT;
	b.fresh = calloc(t->most, sizeof(*b.fresh));
	b.kept = calloc(t->most, sizeof(*b.kept));
	if (b.fresh && b.kept) {
		t->more = false;
		r = add_below(&b, t->root, -1, 0);
	}
	if (r == 0) {
		for (unsigned i = 0; i < t->count; i++)
			if (!b.kept[i])
				forget(&t->node[i]);
		free(t->node);
		t->node = b.fresh;
		t->count = b.count;
		b.fresh = NULL;
	}
	free(b.fresh);
	free(b.kept);
	return r;
}

const char *group_node_name(const struct group_node *n)
{
	const char *slash = strrchr(n->path, '/');

	return slash ? slash + 1 : n->path;
}
