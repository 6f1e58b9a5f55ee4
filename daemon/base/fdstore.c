#include "base/fdstore.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/manager.h"

#define NAME_MAX_ 64
#define PATIENCE_MS 100

static bool is_name(const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-_.";
	size_t n = strlen(name);

	return n > 0 && n <= NAME_MAX_ && strspn(name, allowed) == n;
}

static int tell(const char *format, const char *name, const int *fds, unsigned count)
{
	char state[128];

	if (!is_name(name))
		return -EINVAL;
	snprintf(state, sizeof(state), format, name);
	return manager_tell(state, fds, count, PATIENCE_MS);
}

int fdstore_push(const char *name, int fd)
{
	return tell("FDSTORE=1\nFDNAME=%s\nFDPOLL=0", name, &fd, 1);
}

int fdstore_remove(const char *name)
{
	return tell("FDSTOREREMOVE=1\nFDNAME=%s", name, NULL, 0);
}

/* The descriptor number under which the manager passed `name`. If it was taken before, that number
 * is /dev/null now. */
static int find(const char *name, unsigned index)
{
	char **names = NULL;
	int n = sd_listen_fds_with_names(0, &names), fd = -ENOENT;

	for (int i = 0; i < n; i++) {
		struct stat st;
		int at = SD_LISTEN_FDS_START + i;

		if (fd < 0 && strcmp(names[i], name) == 0 && fstat(at, &st) == 0 &&
		    !(S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3)) && index-- == 0)
			fd = at;
		free(names[i]);
	}
	free(names);
	return fd;
}

int fdstore_copy(const char *name, unsigned index)
{
	int at = find(name, index), fd;

	if (at < 0)
		return at;
	fd = fcntl(at, F_DUPFD_CLOEXEC, SD_LISTEN_FDS_START);
	return fd < 0 ? -errno : fd;
}

int fdstore_take(const char *name)
{
	_cleanup_close_ int fd = -1, null = -1;
	int at = find(name, 0);

	if (at < 0)
		return at;
	fd = fcntl(at, F_DUPFD_CLOEXEC, SD_LISTEN_FDS_START);
	if (fd < 0)
		return -errno;
	/* A hole among the passed numbers would make sd_listen_fds() fail for all the others. */
	null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (null < 0 || dup3(null, at, O_CLOEXEC) < 0)
		return -errno;
	return TAKE_FD(fd);
}
