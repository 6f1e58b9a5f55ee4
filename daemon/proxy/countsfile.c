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

static void begin(struct counts *counts, uint64_t service_id)
{
	counts_init(counts, "proxy", (uint64_t)getpid());
	counts->service_id[COUNTSFILE_BLOCK] = service_id;
	counts->serves = UINT64_C(1) << COUNTSFILE_BLOCK;
}

static int make(struct countsfile *file, const char *run_dir, unsigned generation,
		uint64_t service_id)
{
	char fresh[SHAREDFILE_FRESH];
	void *map;
	int r = sharedfile_name(run_dir, generation, "", file->path);

	if (r < 0)
		return r;
	/* Filled in under another name, which the daemon ignores, and then renamed. */
	r = sharedfile_create(file->path, sizeof(struct counts), fresh, &file->fd, &map);
	if (r < 0)
		return r;
	begin(map, service_id);
	r = writelock_take(file->fd);
	if (r == 0)
		r = sharedfile_publish(fresh, file->path);
	else
		unlink(fresh);
	if (r < 0) {
		munmap(map, sizeof(struct counts));
		close(file->fd);
		file->fd = -1;
		return r;
	}
	mapguard_add(map, sizeof(struct counts), NULL);
	file->counts = map;
	return 0;
}

int countsfile_open(struct countsfile *file, const char *run_dir, unsigned generation,
		    uint64_t service_id)
{
	int r;

	memset(file, 0, sizeof(*file));
	file->fd = -1;
	r = make(file, run_dir, generation, service_id);
	if (r == 0 || r == -EEXIST)
		return r;
	log_warning(
		"Cannot share counts in %s/counts: %s. penstockd does not see this proxy's sessions and may fall back to the kernel's count; mail is not affected.",
		run_dir, strerror(-r));
	return countsfile_keep(file, service_id);
}

int countsfile_keep(struct countsfile *file, uint64_t service_id)
{
	file->counts = calloc(1, sizeof(*file->counts));
	if (!file->counts)
		return -ENOMEM;
	begin(file->counts, service_id);
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
