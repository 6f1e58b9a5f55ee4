#include "sensor/mta_events.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/readfile.h"

void mta_events_init(struct mta_events *events)
{
	memset(events, 0, sizeof(*events));
	events->events_fd = events->failcnt_fd = -1;
}

void mta_events_close(struct mta_events *events)
{
	if (events->events_fd >= 0)
		close(events->events_fd);
	if (events->failcnt_fd >= 0)
		close(events->failcnt_fd);
	events->events_fd = events->failcnt_fd = -1;
	events->hits_primed = false;
}

static int open_in(int cgroup_fd, const char *directory, const char *file)
{
	char path[CONFIG_PATH_MAX + 32];

	snprintf(path, sizeof(path), "%s/%s", directory, file);
	return openat(cgroup_fd, path, O_RDONLY | O_CLOEXEC);
}

void mta_events_open(struct mta_events *events, int cgroup_fd, const char *directory, bool v1)
{
	mta_events_close(events);
	if (strcmp(events->directory, directory) != 0) {
		memset(&events->kills, 0, sizeof(events->kills));
		snprintf(events->directory, sizeof(events->directory), "%s", directory);
	}
	events->events_fd =
		open_in(cgroup_fd, directory, v1 ? "memory.oom_control" : "memory.events");
	if (v1)
		events->failcnt_fd = open_in(cgroup_fd, directory, "memory.failcnt");
}

void mta_events_poll(struct mta_events *events, uint64_t now_us, struct sample *sample)
{
	char content[1024];
	uint64_t kills, high = 0, max = 0;
	bool have_hits = false;

	if (events->events_fd < 0 ||
	    readfile_once(events->events_fd, content, sizeof(content)) <= 0)
		return;
	if (readfile_field_u64(content, "oom_kill", &kills) == 0)
		sample_put(sample, SIGNAL_MTA_OOM_KILLS,
			   (double)minute_count_step(&events->kills, kills, now_us), VIA_CGROUP);
	if (events->failcnt_fd >= 0) {
		have_hits = readfile_once(events->failcnt_fd, content, sizeof(content)) > 0;
		max = have_hits ? strtoull(content, NULL, 10) : 0;
	} else {
		have_hits = readfile_field_u64(content, "max", &max) == 0;
		readfile_field_u64(content, "high", &high);
	}
	if (!have_hits)
		return;
	max += high;
	if (events->hits_primed && now_us > events->hits_us && max >= events->hits)
		sample_put(sample, SIGNAL_MTA_LIMIT_HITS_PER_S,
			   (double)(max - events->hits) * 1e6 / (double)(now_us - events->hits_us),
			   VIA_CGROUP);
	events->hits = max;
	events->hits_us = now_us;
	events->hits_primed = true;
}
