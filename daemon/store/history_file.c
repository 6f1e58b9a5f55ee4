#include "store/history_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/readfile.h"

int history_file_read(int dir_fd, uint8_t **ret_bytes, size_t *ret_size, bool *ret_upgraded)
{
	_cleanup_close_ int fd =
		openat(dir_fd, HISTORY_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	_cleanup_free_ uint8_t *bytes = NULL;
	struct stat st;
	bool upgraded;
	size_t size;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EBADMSG;
	bytes = malloc(HISTORY_BYTES);
	if (!bytes)
		return -ENOMEM;
	n = readfile_up_to(fd, bytes, HISTORY_BYTES);
	if (n < 0)
		return (int)n;
	size = (size_t)n;
	upgraded = history_upgrade(bytes, &size);
	if (ret_upgraded)
		*ret_upgraded = upgraded;
	*ret_bytes = TAKE_PTR(bytes);
	*ret_size = size;
	return 0;
}

static int write_at(int fd, const void *bytes, size_t size, size_t at)
{
	ssize_t n = pwrite(fd, bytes, size, (off_t)at);

	return n == (ssize_t)size ? 0 : n < 0 ? -errno : -ENOSPC;
}

/* Leaves out empty slots, which take no space in a sparse file. */
static int write_all(int fd, const uint8_t *bytes)
{
	int r = ftruncate(fd, HISTORY_BYTES) < 0 ? -errno : 0;

	if (r == 0)
		r = write_at(fd, bytes, sizeof(struct frame_head), 0);
	for (size_t at = sizeof(struct frame_head); r == 0 && at < HISTORY_BYTES;
	     at += sizeof(struct history_record)) {
		uint64_t sum;

		memcpy(&sum, bytes + at, sizeof(sum));
		if (sum)
			r = write_at(fd, bytes + at, sizeof(struct history_record), at);
	}
	if (r == 0 && fdatasync(fd) < 0)
		r = -errno;
	return r;
}

int history_file_replace(int dir_fd, const uint8_t *bytes)
{
	static const char fresh[] = HISTORY_NAME ".new";
	_cleanup_close_ int fd =
		openat(dir_fd, fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
	int r;

	if (fd < 0)
		return -errno;
	r = write_all(fd, bytes);
	if (r == 0 && renameat(dir_fd, fresh, dir_fd, HISTORY_NAME) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(dir_fd, fresh, 0);
	return r;
}

/* Creates a sparse file of the full size, with a head: parts that were never written take no
 * space. */
static int open_file(struct history_file *f)
{
	struct frame_head head;
	struct stat st;
	int r = 0;

	if (f->fd >= 0)
		return 0;
	f->fd = openat(f->dir_fd, HISTORY_NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (f->fd < 0)
		return -errno;
	if (fstat(f->fd, &st) < 0)
		r = -errno;
	if (r == 0 && (size_t)st.st_size != HISTORY_BYTES) {
		frame_head(&head, &history_kind, 0, NULL,
			   HISTORY_SLOTS * sizeof(struct history_record));
		if (ftruncate(f->fd, HISTORY_BYTES) < 0)
			r = -errno;
		else if (pwrite(f->fd, &head, sizeof(head), 0) != sizeof(head))
			r = errno ? -errno : -ENOSPC;
		/* Otherwise the next start would set aside the short file, with all that is in
		 * it. */
		if (r < 0 && ftruncate(f->fd, 0) < 0)
			log_debug("history: %s", strerror(errno));
	}
	if (r < 0) {
		close(f->fd);
		f->fd = -1;
	}
	return r;
}

int history_file_write(struct history_file *f, enum history_tier tier,
		       struct history_record *record)
{
	unsigned slot = history_slot(tier, record->at_s);
	int r = open_file(f);

	if (r < 0)
		return r;
	history_seal(record);
	return write_at(f->fd, record, sizeof(*record), history_offset(tier, slot));
}
