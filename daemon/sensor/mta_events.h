/* What happened to the MTA's control group because memory was short: limits reached, processes
 * killed. cgroup2: memory.events; v1: memory.failcnt and memory.oom_control. */
#ifndef PENSTOCK_SENSOR_MTA_EVENTS_H
#define PENSTOCK_SENSOR_MTA_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "core/sample.h"
#include "sensor/minute_count.h"

struct mta_events {
	int events_fd, failcnt_fd; /* -1: none */
	char directory
		/* group whose kills are counted; stays when the files are closed */
		[CONFIG_PATH_MAX];
	struct minute_count kills;
	uint64_t hits, hits_us;
	bool hits_primed;
};

void mta_events_init(struct mta_events *events);
/* Opens the files of `directory` below cgroup_fd, and closes those that were open. If the directory
 * is the same as before, the count of kills goes on and includes kills in between: often such a
 * kill is the reason why the group has another first process. */
void mta_events_open(struct mta_events *events, int cgroup_fd, const char *directory, bool v1);
void mta_events_poll(struct mta_events *events, uint64_t now_us, struct sample *sample);
/* Closes the files; the counts stay. */
void mta_events_close(struct mta_events *events);

#endif
