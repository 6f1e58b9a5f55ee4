#include "fleet/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

static int read_line(int fd, struct secret *ret)
{
	ssize_t n = read(fd, ret->bytes, SECRET_MAX);
	char *end;

	if (n < 0)
		return -errno;
	end = memchr(ret->bytes, '\n', (size_t)n);
	ret->length = end ? (size_t)(end - ret->bytes) : (size_t)n;
	ret->bytes[ret->length] = 0;
	return ret->length ? 0 : -ENODATA;
}

int secret_read(const char *path, const char *option, struct secret *ret, char *why)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	int r;

	memset(ret, 0, sizeof(*ret));
	if (!path[0])
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0) {
		r = -errno;
		snprintf(why, 256, "%s: cannot read %s: %s", option, path, strerror(-r));
		return r;
	}
	if (!S_ISREG(st.st_mode) || (st.st_mode & 07) || (st.st_mode & 020) ||
	    (st.st_uid != 0 && st.st_uid != geteuid())) {
		snprintf(
			why, 256,
			"%s: %s must be a file of root or of penstockd's user, with mode 0640 or less",
			option, path);
		return -EPERM;
	}
	r = read_line(fd, ret);
	if (r < 0)
		snprintf(why, 256, "%s: %s: %s", option, path,
			 r == -ENODATA ? "its first line is empty" : strerror(-r));
	return r;
}
