#include "base/counts_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

int counts_dir_path(const char *run_dir, char *ret_path, size_t size)
{
	if ((size_t)snprintf(ret_path, size, "%s/counts", run_dir) < size)
		return 0;
	ret_path[0] = '\0';
	return -ENAMETOOLONG;
}

int counts_dir_make(const char *run_dir, char *ret_path, size_t size)
{
	int r = counts_dir_path(run_dir, ret_path, size);

	if (r == 0 && mkdir(ret_path, 0775) < 0 && errno != EEXIST)
		r = -errno;
	return r;
}

const char *counts_dir_next(DIR *dir)
{
	struct dirent *entry;

	while ((entry = readdir(dir)))
		if (!strchr(entry->d_name, '.'))
			return entry->d_name;
	return NULL;
}

int counts_dir_open(int dir_fd, const char *name)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	return fd < 0 ? -errno : fd;
}
