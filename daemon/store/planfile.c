#include "store/planfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

struct planfile {
	struct plan *shared;
	char path[PATH_MAX];
};

int planfile_open(const char *run_dir, struct planfile **ret_planfile)
{
	_cleanup_free_ struct planfile *file = calloc(1, sizeof(*file));
	_cleanup_close_ int fd = -1;
	char fresh[PATH_MAX];
	int r;

	if (!file)
		return -ENOMEM;
	if ((size_t)snprintf(file->path, sizeof(file->path), "%s/plan", run_dir) >=
		    sizeof(file->path) ||
	    (size_t)snprintf(fresh, sizeof(fresh), "%s/plan.new", run_dir) >= sizeof(fresh))
		return -ENAMETOOLONG;
	unlink(fresh);
	fd = open(fresh, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return -errno;
	fchmod(fd, 0644);
	r = -posix_fallocate(fd, 0, sizeof(struct plan));
	if (r < 0)
		goto fail;
	file->shared = mmap(NULL, sizeof(struct plan), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (file->shared == MAP_FAILED) {
		r = -errno;
		goto fail;
	}
	if (rename(fresh, file->path) < 0) {
		r = -errno;
		munmap(file->shared, sizeof(struct plan));
		goto fail;
	}
	*ret_planfile = TAKE_PTR(file);
	return 0;
fail:
	unlink(fresh);
	return r;
}

void planfile_write(struct planfile *planfile, const struct plan *plan)
{
	plan_write(planfile->shared, plan);
}

void planfile_close(struct planfile *planfile)
{
	struct plan none = { 0 };

	if (!planfile)
		return;
	plan_write(planfile->shared, &none);
	unlink(planfile->path);
	munmap(planfile->shared, sizeof(struct plan));
	free(planfile);
}
