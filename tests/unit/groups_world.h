/* Trees of plain files that look like cgroup2, for hosts of another kind. */
#ifndef PENSTOCK_GROUPS_WORLD_H
#define PENSTOCK_GROUPS_WORLD_H

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scratch.h"

static char root[64];
static int root_fd, proc_fd;

static void make_group(const char *path)
{
	char at[256];

	snprintf(at, sizeof(at), "%s/%s", root, path);
	assert_int_equal(mkdir(at, 0700), 0);
}

static void put(const char *path, const char *content)
{
	char at[256];
	int fd;

	snprintf(at, sizeof(at), "%s/%s", root, path);
	fd = open(at, O_CREAT | O_WRONLY | O_TRUNC, 0600);
	assert_true(fd >= 0 && write(fd, content, strlen(content)) == (ssize_t)strlen(content));
	close(fd);
}

static int setup(void **state)
{
	if (scratch_make(root) < 0)
		return -1;
	root_fd = open(root, O_RDONLY | O_DIRECTORY);
	proc_fd = open("/proc", O_RDONLY | O_DIRECTORY);
	put("cgroup.controllers", "cpu io memory\n");
	return 0;
}

static int teardown(void **state)
{
	close(root_fd);
	close(proc_fd);
	return scratch_remove(root);
}

#endif
