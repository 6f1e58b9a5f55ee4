#include "store/planfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"

/* A replaced file is created again at most this often: otherwise two daemons that share a directory
 * by mistake would only replace each other's file. */
#define MEND_EVERY_US (5 * US_PER_S)
/* How often to check that the name still leads to the file. At each write, the open file itself is
 * checked (removed, replaced, truncated). */
#define NAME_EVERY_US US_PER_S

struct planfile {
	struct plan *shared;
	int fd; /* of `shared` */
	char path[PATH_MAX];
	dev_t device;
	ino_t inode;
	uint64_t named_us; /* when the name was last known to lead to the file */
	uint64_t mended_us; /* when the file was last created again because it was another one */
};

/* Replaces the file by a new one under the same name. */
static int publish(struct planfile *file)
{
	_cleanup_close_ int fd = -1;
	char fresh[PATH_MAX + 8];
	struct plan *map;
	struct stat st;
	int r;

	snprintf(fresh, sizeof(fresh), "%s.new", file->path);
	unlink(fresh);
	fd = open(fresh, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return -errno;
	fchmod(fd, 0644);
	r = -posix_fallocate(fd, 0, sizeof(struct plan));
	map = r == 0 ? mmap(NULL, sizeof(struct plan), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
		     : MAP_FAILED;
	if (r == 0 && (map == MAP_FAILED || fstat(fd, &st) < 0 || rename(fresh, file->path) < 0))
		r = -errno;
	if (r < 0) {
		unlink(fresh);
		if (map != MAP_FAILED)
			munmap(map, sizeof(struct plan));
		return r;
	}
	if (file->shared)
		munmap(file->shared, sizeof(struct plan));
	if (file->fd >= 0)
		close(file->fd);
	file->device = st.st_dev;
	file->inode = st.st_ino;
	file->shared = map;
	file->fd = TAKE_FD(fd);
	return 0;
}

int planfile_open(const char *run_dir, struct planfile **ret_planfile)
{
	_cleanup_free_ struct planfile *file = calloc(1, sizeof(*file));
	int r;

	if (!file)
		return -ENOMEM;
	if ((size_t)snprintf(file->path, sizeof(file->path), "%s/plan", run_dir) >=
	    sizeof(file->path) - 4)
		/* cppcheck-suppress memleak ; _cleanup_free_ frees it, which cppcheck cannot see */
		return -ENAMETOOLONG;
	file->fd = -1;
	r = publish(file);
	if (r < 0)
		return r;
	*ret_planfile = TAKE_PTR(file);
	return 0;
}

/* Whether the open file is complete and still has a name. One system call, which looks up no
 * path. */
static bool is_whole(const struct planfile *file)
{
	struct stat st;

	return fstat(file->fd, &st) == 0 && st.st_nlink > 0 &&
	       st.st_size >= (off_t)sizeof(struct plan);
}

/* Whether the mapping may be written. Another process may have removed, replaced or truncated the
 * file. Then fronts would have no plan until penstockd is restarted, or a write would kill
 * penstockd (SIGBUS). */
static bool look_after(struct planfile *file, bool last)
{
	uint64_t now_us = clock_monotonic_us();
	struct stat st;
	bool there, own, whole;
	int r;

	if (!last && now_us - file->named_us < NAME_EVERY_US && is_whole(file))
		return true;
	there = stat(file->path, &st) == 0;
	own = there && st.st_dev == file->device && st.st_ino == file->inode;
	whole = !own || st.st_size >= (off_t)sizeof(struct plan);
	if (own && whole) {
		file->named_us = now_us;
		return true;
	}
	if (file->mended_us && now_us < file->mended_us + MEND_EVERY_US)
		return whole;
	file->mended_us = now_us;
	r = publish(file);
	if (r < 0) {
		log_warning(
			"Cannot recreate %s, which another process has %s: %s. Fronts admit every connection.",
			file->path, there ? "changed" : "removed", strerror(-r));
		return whole;
	}
	log_warning("Another process has %s %s. It was made again; mail is not affected.",
		    there ? "changed" : "removed", file->path);
	return true;
}

void planfile_write(struct planfile *planfile, const struct plan *plan)
{
	if (look_after(planfile, false))
		plan_write(planfile->shared, plan);
}

void planfile_close(struct planfile *planfile)
{
	struct plan none = { 0 };

	if (!planfile)
		return;
	if (look_after(planfile, true))
		plan_write(planfile->shared, &none);
	unlink(planfile->path);
	munmap(planfile->shared, sizeof(struct plan));
	close(planfile->fd);
	free(planfile);
}
