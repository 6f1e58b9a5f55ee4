#include "base/readfile.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"

/* A read that returned less than this, with room for as much again, has reached the end. A file of
 * proc gives as many whole records as fit in a page. One more read, only to see the end, would make
 * the kernel write everything again. */
#define SHORT_READ 1024

/* One read that is not interrupted, from `offset`; below 0: from where the descriptor stands.
 * Returns the number of octets or -errno. */
static ssize_t read_at(int fd, void *buf, size_t size, off_t offset)
{
	ssize_t n;

	do {
		n = offset < 0 ? read(fd, buf, size) : pread(fd, buf, size, offset);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

int readfile_once(int fd, char *buf, size_t size)
{
	ssize_t n = read_at(fd, buf, size - 1, 0);

	if (n < 0)
		return (int)n;
	buf[n] = 0;
	return (int)n;
}

int readfile_fd(int fd, char *buf, size_t size)
{
	size_t got = 0;
	ssize_t n;

	for (;;) {
		if (got == size - 1) {
			char one;

			buf[got] = 0;
			n = read_at(fd, &one, 1, (off_t)got);
			return n > 0 ? -EFBIG : n < 0 ? (int)n : (int)got;
		}
		n = read_at(fd, buf + got, size - 1 - got, (off_t)got);
		if (n < 0)
			return (int)n;
		if (n == 0)
			break;
		got += (size_t)n;
		if (n < SHORT_READ && size - 1 - got >= SHORT_READ)
			break;
	}
	buf[got] = 0;
	return (int)got;
}

int readfile_at(int dir_fd, const char *path, char *buf, size_t size)
{
	_cleanup_close_ int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return readfile_fd(fd, buf, size);
}

ssize_t readfile_up_to(int fd, void *buf, size_t size)
{
	size_t got = 0;
	ssize_t n = 0;

	while (got < size && (n = read_at(fd, (char *)buf + got, size - got, -1)) > 0)
		got += (size_t)n;
	return n < 0 ? n : (ssize_t)got;
}

int readfile_u64_at(int dir_fd, const char *path, uint64_t *ret_value)
{
	char buf[64], *end;
	unsigned long long value;
	int r = readfile_at(dir_fd, path, buf, sizeof(buf));

	if (r < 0)
		return r;
	if (strncmp(buf, "max", 3) == 0) {
		*ret_value = UINT64_MAX;
		return 0;
	}
	if (!isdigit((unsigned char)buf[0]))
		return -EINVAL;
	errno = 0;
	value = strtoull(buf, &end, 10);
	if (errno || (*end && *end != '\n'))
		return -EINVAL;
	*ret_value = value;
	return 0;
}

int readfile_field_u64(const char *content, const char *key, uint64_t *ret_value)
{
	size_t length = strlen(key);

	for (const char *line = content; line && *line;
	     line = strchr(line, '\n'), line = line ? line + 1 : NULL) {
		const char *p = line + length;
		unsigned long long value;
		char *end;

		if (strncmp(line, key, length) != 0 || (*p != ' ' && *p != ':' && *p != '\t'))
			continue;
		p += strspn(p, ": \t");
		if (!isdigit((unsigned char)*p))
			return -EINVAL;
		errno = 0;
		value = strtoull(p, &end, 10);
		if (errno != 0 || (*end && !isspace((unsigned char)*end)))
			return -EINVAL;
		*ret_value = value;
		return 0;
	}
	return -ENOENT;
}
