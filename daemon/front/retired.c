#include "front/retired.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/wholefile.h"

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

void retired_save(const char *run_dir, uint64_t now_us, struct counts *counts)
{
	const struct iovec whole = { counts, sizeof(*counts) };
	char path[PATH_MAX];
	int r;

	counts->heartbeat_us = now_us;
	snprintf(path, sizeof(path), "%s/retired", run_dir);
	r = wholefile_write(AT_FDCWD, path, 0, &whole, 1, false);
	if (r == 0)
		return;
	log_warning(
		"Cannot write %s: %s. After a restart of penstockd its counters lack what ended proxies have counted; mail is not affected. Free space in %s.",
		path, strerror(-r), run_dir);
}
