/* The resources that this process uses, for the process_* metrics: proc_pid_stat(5),
 * proc_pid_statm(5). */
#ifndef PENSTOCK_PUBLISH_PROCESS_H
#define PENSTOCK_PUBLISH_PROCESS_H

#include <stdint.h>

/* The figures of this process; -1: unknown. */
struct process {
	double cpu_s; /* user and system */
	double resident_bytes, virtual_bytes;
	double open_fds, max_fds;
	double start_s; /* CLOCK_REALTIME */
};

/* `started_us`: when it was started, CLOCK_REALTIME. */
void process_read(uint64_t started_us, struct process *ret);

#endif
