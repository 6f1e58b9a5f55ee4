/* The files of one control group of the mail server: kept open, read with pread(). */
#ifndef PENSTOCK_SENSOR_MTA_FILES_H
#define PENSTOCK_SENSOR_MTA_FILES_H

#include <stdbool.h>
#include <stdint.h>

#include "sensor/mta_group.h"

enum { MTA_STALL_CPU, MTA_STALL_IO, MTA_STALL_MEMORY, MTA_STALLS };

struct mta_memory_files {
	int stat, current, limit, high;
};

/* The last value of a counter in a file, to get a difference. */
struct mta_counter {
	uint64_t last;
	bool primed;
};

struct mta_files {
	int cpu_fd, stall_fd[MTA_STALLS], io_fd, ios_fd;
	struct mta_memory_files memory[MTA_LIMITS];
	struct mta_counter cpu, stall[MTA_STALLS], io_bytes, ios;
};

/* Sums over the MTA's groups; stalls and use are those of the worst. -1: not known. */
struct mta_sums {
	double cpu_us, stall_us[MTA_STALLS], io_bytes, ios;
	double memory, limit, room, worst;
};

/* Marks all files as closed. */
void mta_files_clear(struct mta_files *files);
/* Opens those files that exist, below the cgroup root, into a cleared struct. */
void mta_files_open(int cgroup_fd, const struct mta_group *group, struct mta_files *files);
void mta_files_close(struct mta_files *files);
/* Adds what has changed since the last reading. */
void mta_files_read(struct mta_files *files, const struct mta_group *group, struct mta_sums *sum);

#endif
