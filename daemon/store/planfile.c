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

/* Else two daemons that somebody made share a directory would do nothing else. */
#define MEND_EVERY_US (5 * US_PER_S)

struct planfile {
	struct plan *shared;
	char path[PATH_MAX];
	dev_t device;
	ino_t inode;
	uint64_t mended_us; /* when the file was last found to be another and made anew */
};

/* A new file under the plan's name. */
static int publish(struct planfile *file, struct plan **ret_shared)
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
	file->device = st.st_dev;
	file->inode = st.st_ino;
	*ret_shared = map;
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
		return -ENAMETOOLONG;
	r = publish(file, &file->shared);
	if (r < 0)
		return r;
	*ret_planfile = TAKE_PTR(file);
	return 0;
}

/* Whether the mapping may be written. Somebody may have removed the file, put another in its place or cut it short: then fronts
 * would follow no plan until penstockd is restarted, or penstockd would die of writing (SIGBUS). */
static bool look_after(struct planfile *file)
{
	uint64_t now_us = clock_monotonic_us();
	struct plan *shared;
	struct stat st;
	bool there = stat(file->path, &st) == 0;
	bool own = there && st.st_dev == file->device && st.st_ino == file->inode;
	bool whole = !own || st.st_size >= (off_t)sizeof(struct plan);
	int r;

	if (own && whole)
		return true;
	if (file->mended_us && now_us < file->mended_us + MEND_EVERY_US)
		return whole;
	file->mended_us = now_us;
	r = publish(file, &shared);
	if (r < 0) {
		log_warning(
			"somebody has %s %s and it cannot be made anew: %s; fronts admit everything",
			there ? "changed" : "removed", file->path, strerror(-r));
		return whole;
	}
	log_warning("somebody has %s %s: it is made anew", there ? "changed" : "removed",
		    file->path);
	munmap(file->shared, sizeof(struct plan));
	file->shared = shared;
	return true;
}

void planfile_write(struct planfile *planfile, const struct plan *plan)
{
	if (look_after(planfile))
		plan_write(planfile->shared, plan);
}

void planfile_close(struct planfile *planfile)
{
	struct plan none = { 0 };

	if (!planfile)
		return;
	if (look_after(planfile))
		plan_write(planfile->shared, &none);
	unlink(planfile->path);
	munmap(planfile->shared, sizeof(struct plan));
	free(planfile);
}
