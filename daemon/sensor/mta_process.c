#include "sensor/mta_process.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <errno.h>

#include "base/readfile.h"
#include "config/config.h"

#define DEPTH_MAX 12

/* The directory whose inode number is the cgroup's id. */
static bool find_by_id(int cgroup_fd, const char *path, uint64_t id, int depth, char *ret,
		       size_t size)
{
	int fd = openat(cgroup_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	bool found = false;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	while (!found && (entry = readdir(dir))) {
		char below[CONFIG_PATH_MAX];

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		if ((size_t)snprintf(below, sizeof(below), "%s/%s", path, entry->d_name) >=
		    sizeof(below))
			continue;
		if (entry->d_ino == id) {
			snprintf(ret, size, "%s", below);
			found = true;
		} else if (depth < DEPTH_MAX) {
			found = find_by_id(cgroup_fd, below, id, depth + 1, ret, size);
		}
	}
	closedir(dir);
	return found;
}

bool mta_group_by_id(int cgroup_fd, const char *root, uint64_t id, char *ret, size_t size)
{
	return find_by_id(cgroup_fd, root, id, 0, ret, size);
}

/* The process of the cgroup with the lowest number. That is most likely the one that stays while
 * its children come and go. 0: none. */
int mta_first_process(int cgroup_fd, const char *path)
{
	char file[CONFIG_PATH_MAX + 16], content[4096];
	int r, lowest = 0;

	snprintf(file, sizeof(file), "%s/cgroup.procs", path);
	r = readfile_at(cgroup_fd, file, content, sizeof(content));
	if (r <= 0 && r != -EFBIG)
		return 0;
	/* The last line may be cut short. */
	for (const char *line = content, *end; (end = strchr(line, '\n')); line = end + 1) {
		int pid = atoi(line); /* 0: of another pid namespace */

		if (pid > 0 && (lowest == 0 || pid < lowest))
			lowest = pid;
	}
	return lowest;
}

/* The process that holds a socket, if /proc/PID/fd may be read. Only needed on kernels that do not
 * report the cgroup of a socket. */
int mta_process_by_inode(int proc_fd, uint32_t inode)
{
	int fd = openat(proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), found = 0;
	DIR *proc = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *process, *entry;
	char wanted[64], link[64], path[32];

	if (!proc) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	snprintf(wanted, sizeof(wanted), "socket:[%u]", inode);
	while (!found && (process = readdir(proc))) {
		DIR *fds;

		if (process->d_name[0] < '1' || process->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "%.20s/fd", process->d_name);
		fd = openat(proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		fds = fd < 0 ? NULL : fdopendir(fd);
		if (!fds) {
			if (fd >= 0)
				close(fd);
			continue;
		}
		while (!found && (entry = readdir(fds))) {
			ssize_t n = readlinkat(dirfd(fds), entry->d_name, link, sizeof(link) - 1);

			if (n <= 0)
				continue;
			link[n] = 0;
			if (strcmp(link, wanted) == 0)
				found = atoi(process->d_name);
		}
		closedir(fds);
	}
	closedir(proc);
	return found;
}
