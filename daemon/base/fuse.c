#include "base/fuse.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/readfile.h"

#define MOUNTINFO_MAX (1 << 20)

/* Finds the device on which a file lies. O_PATH, and a statx() that asks for no field, ask the file
 * system nothing. False: it cannot be found. */
static bool device_of(int dir_fd, const char *path, struct statx *ret)
{
	_cleanup_close_ int fd = openat(dir_fd, path, O_PATH | O_CLOEXEC);

	return fd >= 0 && statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, 0, ret) == 0;
}

static bool same_device(const struct statx *a, const struct statx *b)
{
	return a->stx_dev_major == b->stx_dev_major && a->stx_dev_minor == b->stx_dev_minor;
}

/* Whether a line of mountinfo (proc(5)) is about this device. */
static bool is_of(const char *line, const struct statx *at)
{
	unsigned major, minor;

	return sscanf(line, "%*u %*u %u:%u", &major, &minor) == 2 && major == at->stx_dev_major &&
	       minor == at->stx_dev_minor;
}

/* Looks in mountinfo, because statfs() would ask the program. */
static bool is_fuse(const struct statx *at)
{
	static const char mark[] = " - fuse";
	_cleanup_free_ char *content = malloc(MOUNTINFO_MAX);
	int r = content ? readfile_at(AT_FDCWD, "/proc/self/mountinfo", content, MOUNTINFO_MAX) : 0;

	if (!content || r < 0)
		return true;
	for (char *line = content, *end; *line; line = end) {
		end = strchrnul(line, '\n');
		if (is_of(line, at))
			return memmem(line, (size_t)(end - line), mark, strlen(mark));
		end += *end != 0;
	}
	return true;
}

bool fuse_serves(int dir_fd, const char *path)
{
	struct statx dir, at;
	char part[256];

	if (!device_of(dir_fd, ".", &dir))
		return false;
	/* Check the directories on the way first: a walk through one may already ask a program. */
	for (const char *end = path; *end; end += *end != 0) {
		end = strchrnul(end, '/');
		snprintf(part, sizeof(part), "%.*s", (int)(end - path), path);
		if (!device_of(dir_fd, part, &at))
			return false;
		if (!same_device(&dir, &at))
			return is_fuse(&at);
	}
	return false;
}

bool fuse_serves_proc(const char *path)
{
	_cleanup_close_ int fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 && fuse_serves(fd, path);
}
