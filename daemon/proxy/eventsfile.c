#include "proxy/eventsfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/mapguard.h"

static int make(struct eventsfile *file, const char *run_dir, unsigned generation)
{
	_cleanup_close_ int fd = -1;
	char directory[280];
	void *map;
	int r;

	snprintf(directory, sizeof(directory), "%s/counts", run_dir);
	if (mkdir(directory, 0775) < 0 && errno != EEXIST)
		return -errno;
	snprintf(file->path, sizeof(file->path),
		 generation ? "%s/proxy-%d-%u.events" : "%s/proxy-%d.events", directory,
		 (int)getpid(), generation);
	unlink(file->path);
	/* It holds addresses of clients: not for everybody. */
	fd = open(file->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd < 0)
		return -errno;
	/* All pages now: a file system that fills up later must not kill the writer. */
	r = -posix_fallocate(fd, 0, sizeof(struct events));
	if (r < 0)
		return r;
	map = mmap(NULL, sizeof(struct events), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	events_init(map);
	mapguard_add(map, sizeof(struct events), NULL);
	file->events = map;
	return 0;
}

void eventsfile_open(struct eventsfile *file, const char *run_dir, unsigned generation)
{
	int r;

	memset(file, 0, sizeof(*file));
	r = make(file, run_dir, generation);
	if (r < 0) {
		log_warning(
			"Cannot tell penstockd of sources through %s/counts: %s. All are ranked alike; mail is not affected.",
			run_dir, strerror(-r));
		if (file->path[0])
			unlink(file->path);
	}
}

void eventsfile_close(struct eventsfile *file)
{
	/* The daemon has it open, takes the last events and removes the file. */
	mapguard_remove(file->events);
	if (file->events)
		munmap(file->events, sizeof(struct events));
	file->events = NULL;
}

bool eventsfile_is_torn(const struct eventsfile *file)
{
	return mapguard_is_torn(file->events);
}
