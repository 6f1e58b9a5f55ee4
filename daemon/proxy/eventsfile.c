#include "proxy/eventsfile.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/mapguard.h"
#include "proxy/sharedfile.h"

static int make(struct eventsfile *file, const char *run_dir, unsigned generation)
{
	_cleanup_close_ int fd = -1;
	char fresh[SHAREDFILE_FRESH];
	void *map;
	int r = sharedfile_name(run_dir, generation, ".events", file->path);

	if (r == 0)
		r = sharedfile_create(file->path, sizeof(struct events), fresh, &fd, &map);
	if (r < 0)
		return r;
	events_init(map);
	r = sharedfile_publish(fresh, file->path);
	if (r < 0) {
		munmap(map, sizeof(struct events));
		return r;
	}
	mapguard_add(map, sizeof(struct events), NULL);
	file->events = map;
	return 0;
}

int eventsfile_open(struct eventsfile *file, const char *run_dir, unsigned generation)
{
	int r;

	memset(file, 0, sizeof(*file));
	r = make(file, run_dir, generation);
	if (r < 0 && r != -EEXIST)
		log_warning(
			"Cannot tell penstockd of sources through %s/counts: %s. All are ranked alike; mail is not affected.",
			run_dir, strerror(-r));
	return r == -EEXIST ? r : 0;
}

void eventsfile_close(struct eventsfile *file)
{
	/* The daemon has it open, takes the last events and removes the file. */
	mapguard_remove(file->events);
	if (file->events)
		munmap(file->events, sizeof(struct events));
	file->events = NULL;
}

void eventsfile_remove(struct eventsfile *file)
{
	if (file->events)
		unlink(file->path);
	eventsfile_close(file);
}

bool eventsfile_is_torn(const struct eventsfile *file)
{
	return mapguard_is_torn(file->events);
}
