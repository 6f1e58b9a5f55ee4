#include "front/retired.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"

void retired_load(const char *run_dir, uint64_t now_us, struct counts *ret)
{
	char path[PATH_MAX];
	_cleanup_close_ int fd = -1;

	snprintf(path, sizeof(path), "%s/retired", run_dir);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 || pread(fd, ret, sizeof(*ret), 0) != (ssize_t)sizeof(*ret) ||
	    !counts_are_sane(ret) || ret->heartbeat_us > now_us)
		counts_init(ret, "proxy", 0);
}

static int save(const char *path, const char *fresh, const struct counts *counts)
{
	_cleanup_close_ int fd =
		open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = pwrite(fd, counts, sizeof(*counts), 0);
	if (n != (ssize_t)sizeof(*counts))
		return n < 0 ? -errno : -ENOSPC;
	return rename(fresh, path) < 0 ? -errno : 0;
}

void retired_save(const char *run_dir, uint64_t now_us, struct counts *counts)
{
	char path[PATH_MAX], fresh[PATH_MAX + 8];
	int r;

	counts->heartbeat_us = now_us;
	snprintf(path, sizeof(path), "%s/retired", run_dir);
	snprintf(fresh, sizeof(fresh), "%s.new", path);
	r = save(path, fresh, counts);
	if (r == 0)
		return;
	unlink(fresh);
	log_warning(
		"Cannot write %s: %s. After a restart of penstockd its counters lack what ended proxies have counted; mail is not affected. Free space in %s.",
		path, strerror(-r), run_dir);
}
