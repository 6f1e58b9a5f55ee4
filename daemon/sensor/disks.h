/* The disks of this machine, one by one, and which of them count: those below the queue directories
 * if these are known, else all. sensor_disk fills it once a tick, sensor_spool says which are the
 * spool's, publishers read it. */
#ifndef PENSTOCK_SENSOR_DISKS_H
#define PENSTOCK_SENSOR_DISKS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "sensor/spool_device.h"

#define DISKS 32
#define DISK_SLOTS 26 /* up to 17 s, and one for longer times */
#define DISKS_FILE_SYSTEMS 8

enum disk_op { DISK_READ, DISK_WRITE, DISK_FLUSH, DISK_OPS };

/* Doubles are figures of about the last second; -1: unknown. */
struct disk {
	char name[32];
	unsigned major, minor;
	bool spool; /* a queue directory lies on it */
	struct {
		double per_s;
		double bytes_per_s; /* without flushes */
		double mean_us; /* from entry to completion; unknown if none completed */
		double p99_us; /* BPF only */
		/* since the machine started (/proc/diskstats) */
		uint64_t ios, bytes, time_ms;
		/* since the probe was loaded; BPF only */
		bool timed;
		/* slot i: below 2^i us; the last one: all longer times */
		uint64_t sum_us, slots[DISK_SLOTS];
	} op[DISK_OPS];
	double in_flight, busy_ratio;
	/* how long it has had requests and completed none; 0: it completes requests; -1: for over a
	 * minute, see sensor_disk.c */
	double stuck_us;
};

struct disk_table {
	unsigned count;
	struct disk disk[DISKS];
	bool spool_known;
	struct spool_device spool; /* devices of the queue directories, if known */
	unsigned file_systems; /* st_dev of the queue directories */
	dev_t file_system[DISKS_FILE_SYSTEMS];
	uint64_t generation; /* counts changes made by disks_set_spool() */
};

/* Sets the devices and file systems (st_dev) of the spool. No device: not known, and all disks
 * count. Cheap if nothing changed. */
void disks_set_spool(struct disk_table *table, const struct spool_device *spool,
		     const dev_t *file_systems, unsigned file_systems_count);
/* Whether the disk counts. */
static inline bool disks_counts(const struct disk_table *table, const struct disk *disk)
{
	return !table->spool_known || disk->spool;
}

#endif
