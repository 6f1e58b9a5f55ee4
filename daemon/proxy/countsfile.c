#include "proxy/countsfile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mapguard.h"
#include "base/writelock.h"
#include "proxy/sharedfile.h"

static int make(struct countsfile *file, const char *run_dir, unsigned generation)
{
	char fresh[330];
	void *map;
	int r = sharedfile_name(run_dir, generation, "", file->path);

	if (r < 0)
		return r;
	/* Filled in under a temporary name, and then renamed: the daemon ignores names that begin
	 * with a dot. */
	snprintf(fresh, sizeof(fresh), "%s.new", file->path);
	r = sharedfile_create(fresh, sizeof(struct counts), &file->fd, &map);
	if (r < 0)
		return r;
	counts_init(map, "proxy", (uint64_t)getpid());
	r = writelock_take(file->fd);
	if (r == 0 && rename(fresh, file->path) < 0)
		r = -errno;
	if (r < 0) {
		unlink(fresh);
		munmap(map, sizeof(struct counts));
		close(file->fd);
		file->fd = -1;
		return r;
	}
	mapguard_add(map, sizeof(struct counts), NULL);
	file->counts = map;
	return 0;
}

int countsfile_open(struct countsfile *file, const char *run_dir, unsigned generation)
{
	int r;

	memset(file, 0, sizeof(*file));
	file->fd = -1;
	r = make(file, run_dir, generation);
	if (r == 0)
		return 0;
	log_warning(
		"Cannot share counts in %s/counts: %s. penstockd does not see this proxy's sessions and may fall back to the kernel's count; mail is not affected.",
		run_dir, strerror(-r));
	file->counts = calloc(1, sizeof(*file->counts));
	if (!file->counts)
		return -ENOMEM;
	counts_init(file->counts, "proxy", (uint64_t)getpid());
	return 0;
}

void countsfile_close(struct countsfile *file)
{
	if (file->fd < 0) {
		free(file->counts);
	} else {
		/* The daemon finds the lock free, takes the last figures and removes the file. */
		mapguard_remove(file->counts);
		munmap(file->counts, sizeof(struct counts));
		close(file->fd);
	}
	file->counts = NULL;
	file->fd = -1;
}

bool countsfile_is_torn(const struct countsfile *file)
{
	return file->fd >= 0 && mapguard_is_torn(file->counts);
}
