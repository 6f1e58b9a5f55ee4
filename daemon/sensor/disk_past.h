/* What is kept of a disk from tick to tick, and the figures that follow from it. */
#ifndef PENSTOCK_SENSOR_DISK_PAST_H
#define PENSTOCK_SENSOR_DISK_PAST_H

#include "sensor/disks.h"
#include "sensor/procparse.h"
#include "sensor/window_hist.h"

#define DISK_PAST_READINGS 10

struct disk_past {
	unsigned major, minor;
	bool seen; /* in this reading */
	bool spool; /* a queue directory lies on it, so no other disk takes its place */
	struct procparse_disk at[DISK_PAST_READINGS]; /* a ring of readings */
	uint64_t at_us[DISK_PAST_READINGS];
	unsigned readings;
	uint64_t ios;
	uint64_t completed_us; /* when it last completed something or had nothing to do */
	int slot; /* of the BPF probe; negative: none */
	struct window_hist window[DISK_OPS];
};

/* Rates, mean times and the busy share, over the last second. Keeps the reading. */
void disk_past_rates(struct disk_past *past, struct disk *disk, const struct procparse_disk *now,
		     uint64_t now_us);
/* Sets disk.stuck_us: how long it has completed nothing. */
void disk_past_stuck(struct disk_past *past, struct disk *disk, const struct procparse_disk *now,
		     uint64_t now_us);

#endif
