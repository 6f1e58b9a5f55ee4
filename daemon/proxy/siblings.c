#include "proxy/siblings.h"

#include <dirent.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/counts_dir.h"
#include "base/writelock.h"

#define LOOK_US (US_PER_S / 2)
/* If a process has not run for so long, the mail server has ended its sessions: it waits for a
 * client's next command for five minutes (RFC 5321 4.5.3.2.7). */
#define HANGS_US (10 * 60 * US_PER_S)

void siblings_init(struct siblings *s, const char *run_dir, uint64_t service_id)
{
	s->service_id = service_id;
	s->count = 0;
	s->looked_us = 0;
	counts_dir_path(run_dir, s->directory, sizeof(s->directory));
}

void siblings_done(struct siblings *s)
{
	while (s->count)
		close(s->fds[--s->count]);
}

/* The block of the service, if the file is one of counts and its process lives; -1: there is
 * none. */
static int find_block(int fd, uint64_t service_id, uint64_t now_us)
{
	struct counts c;

	if (pread(fd, &c, sizeof(c), 0) != (ssize_t)sizeof(c) || !counts_are_sane(&c) ||
	    now_us >= c.heartbeat_us + HANGS_US || !writelock_is_held(fd))
		return -1;
	for (int i = 0; i < PLAN_SERVICES; i++)
		if (c.service_id[i] == service_id)
			return i;
	return -1;
}

static void add(struct siblings *s, int directory_fd, const char *name, uint64_t now_us)
{
	int fd = counts_dir_open(directory_fd, name), block;

	if (fd < 0)
		return;
	block = find_block(fd, s->service_id, now_us);
	if (block < 0) {
		close(fd);
		return;
	}
	s->block[s->count] = (unsigned)block;
	s->fds[s->count++] = fd;
}

static bool is_own(const char *name, const char *own_path)
{
	const char *own = strrchr(own_path, '/');

	return own && strcmp(name, own + 1) == 0;
}

void siblings_look(struct siblings *s, const char *own_path, uint64_t now_us)
{
	const char *name;
	DIR *dir;

	if (s->looked_us && now_us < s->looked_us + LOOK_US)
		return;
	s->looked_us = now_us;
	siblings_done(s);
	dir = opendir(s->directory);
	if (!dir)
		return;
	while (s->count < SIBLINGS_MAX && (name = counts_dir_next(dir)))
		if (!is_own(name, own_path))
			add(s, dirfd(dir), name, now_us);
	closedir(dir);
}

static uint64_t gauge(uint64_t value)
{
	return value < UINT32_MAX / SIBLINGS_MAX ? value : 0; /* it is being written */
}

struct siblings_load siblings_load(const struct siblings *s)
{
	struct siblings_load sum = { 0 };
	struct counts_service c;

	for (unsigned i = 0; i < s->count; i++) {
		const off_t at =
			(off_t)(offsetof(struct counts, service) + s->block[i] * sizeof(c));

		if (pread(s->fds[i], &c, sizeof(c), at) != (ssize_t)sizeof(c))
			continue;
		sum.in_flight += gauge(c.in_flight);
		sum.shadow_in_flight += gauge(c.shadow_in_flight);
		sum.ungreeted += gauge(c.ungreeted);
	}
	return sum;
}
