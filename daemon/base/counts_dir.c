#include "base/counts_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BEGINS_S 60 /* a front that begins takes milliseconds */

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

/* Whether it was not written lately, as far as the wall clock tells. */
static bool is_old(int dir_fd, const char *name)
{
	struct stat st;
	time_t now = time(NULL);

	return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	       llabs((long long)now - st.st_mtime) > BEGINS_S;
}

/* Whether it is of no use without a file of counts that is not there. */
static bool is_left(int dir_fd, const char *name)
{
	const char *dot = strchr(name, '.'), *last = strrchr(name, '.');
	char counts[NAME_MAX + 1];

	if (!last || (strcmp(last, ".new") != 0 && strcmp(dot, ".events") != 0))
		return false;
	if (strcmp(last, ".new") == 0)
		return true;
	snprintf(counts, sizeof(counts), "%.*s", (int)(dot - name), name);
	return faccessat(dir_fd, counts, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT;
}

void counts_dir_tidy(int dir_fd)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return;
	}
	for (int i = 0; i < COUNTS_DIR_TIDIED && (entry = readdir(dir)); i++)
		if (is_left(dir_fd, entry->d_name) && is_old(dir_fd, entry->d_name))
			unlinkat(dir_fd, entry->d_name, 0);
	closedir(dir);
}

int counts_dir_open(int dir_fd, const char *name)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	return fd < 0 ? -errno : fd;
}
