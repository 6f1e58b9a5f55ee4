/* What happened to the MTA's control group for want of memory: limits met, processes killed.
 * cgroup2: memory.events; v1: memory.failcnt and memory.oom_control. */
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
		[CONFIG_PATH_MAX]; /* whose kills are counted; stays when the files are closed */
	struct minute_count kills;
	uint64_t hits, hits_us;
	bool hits_primed;
};

void mta_events_init(struct mta_events *events);
/* `directory` below cgroup_fd. What was open is closed. For the same directory as before the
 * count of kills goes on, including kills in between: often such a kill is the reason why
 * another process leads the group. */
void mta_events_open(struct mta_events *events, int cgroup_fd, const char *directory, bool v1);
void mta_events_poll(struct mta_events *events, uint64_t now_us, struct sample *sample);
/* The files; what was counted stays. */
void mta_events_close(struct mta_events *events);

#endif
