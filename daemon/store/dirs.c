#include "store/dirs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/writelock.h"

/* If a penstockd was killed while it started a helper, that helper holds the lock until it runs its
 * own program, which may take long on a busy machine. */
#define LOCK_WAIT_US (5 * US_PER_S)
#define LOCK_AGAIN_US (20 * US_PER_MS)

static int take_lock(int fd)
{
	uint64_t until_us = clock_monotonic_us() + LOCK_WAIT_US;
	int r;

	while ((r = writelock_take(fd)) < 0 && clock_monotonic_us() < until_us)
		usleep(LOCK_AGAIN_US);
	return r;
}

int dirs_take_run(const char *path, char *why)
{
	char file[PATH_MAX];
	_cleanup_close_ int fd = -1;
	int r;

	if (mkdir(path, 0755) < 0 && errno != EEXIST) {
		r = -errno;
		snprintf(
			why, 256,
			"Cannot make the run directory %.80s: %s. Mail flows unprotected. Start penstockd as root, through systemd, or with --run-dir.",
			path, strerror(-r));
		return r;
	}
	snprintf(file, sizeof(file), "%s/penstockd.lock", path);
	/* Others may not open it: a process that can open the file could lock it, and so keep
	 * penstockd from starting. */
	fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		r = -errno;
		snprintf(
			why, 256,
			"Cannot write in the run directory %.80s: %s. Mail flows unprotected. Correct its owner, or free space there.",
			path, strerror(-r));
		return r;
	}
	fchmod(fd, 0600); /* it may have existed before */
	if (take_lock(fd) < 0) {
		snprintf(
			why, 256,
			"Cannot use the run directory %.80s: another penstockd runs on it. This one ends. Stop the other, or give this one a --run-dir of its own.",
			path);
		return -EBUSY;
	}
	return TAKE_FD(fd);
}

static int try_to_write(const char *path)
{
	char file[PATH_MAX], block[4096] = { 0 };
	_cleanup_close_ int fd = -1;
	ssize_t n;
	int r = 0;

	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return -errno;
	if ((size_t)snprintf(file, sizeof(file), "%s/.probe", path) >= sizeof(file))
		return -ENAMETOOLONG;
	fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_TRUNC, 0600);
	if (fd < 0)
		return -errno;
	n = write(fd, block, sizeof(block));
	if (n != (ssize_t)sizeof(block))
		r = n < 0 ? -errno : -ENOSPC;
	unlink(file);
	return r;
}

void dirs_check_state(const char *path)
{
	int r = try_to_write(path);

	if (r < 0)
		log_warning(
			"Cannot write to the state directory %s: %s. What is learned is lost at a restart; mail is not affected. Free space, or correct its owner and mode.",
			path, strerror(-r));
}
