/* The other users of this machine: the control groups beside the mail server's and what they use. A
 * worker (worker.h) reads their open files every two seconds (every five when idle). It names the
 * group that uses most of each resource, and a group whose memory grows without end. cgroup2, v1,
 * and both side by side (hybrid): each resource is read in the hierarchy that has it. */
#ifndef PENSTOCK_SENSOR_NEIGHBOURS_H
#define PENSTOCK_SENSOR_NEIGHBOURS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/sample.h"

#define NEIGHBOUR_PATH_MAX 256
#define NEIGHBOUR_RESOURCES 3 /* RESOURCE_CPU, RESOURCE_MEMORY, RESOURCE_DISK */
#define NEIGHBOURS_OLD_US 15000000u /* a snapshot older than this is not used */

/* In place of a unit: what no control group but the root has. */
#define NEIGHBOUR_OUTSIDE "processes in no control group"

struct neighbour {
	bool known; /* at least one group uses some of the resource */
	/* below the cgroup root: "/system.slice/backup.service"; "/": processes in no group */
	char path[NEIGHBOUR_PATH_MAX];
	char unit[96]; /* "backup.service" */
	/* cores; bytes of memory; bytes a second of I/O, plus 16 KiB for each request and 64 KiB
	 * for each call of fsync() */
	double use;
	double share; /* share of the use of all others than the mail server, 0..1 */
};

struct leak {
	bool known;
	bool mail; /* it is the mail server itself */
	char path[NEIGHBOUR_PATH_MAX], unit[96];
	double bytes, growth_per_s; /* memory without page cache */
	double seen_s; /* how long it has been growing */
	double left_s; /* until its own limit or the machine's memory is reached */
};

struct neighbours {
	uint64_t at_us; /* CLOCK_MONOTONIC; 0: never looked */
	struct neighbour who[NEIGHBOUR_RESOURCES];
	struct leak leak;
	double mail_io; /* of the mail server, as `use` of I/O; -1: not known */
	char mail_unit[96]; /* the mail server's own unit; empty: unknown */
	unsigned groups; /* number in the hierarchy with CPU times */
	bool more; /* there are more groups than can be read */
};

struct sensor_env;
struct neighbour_watch;

int neighbour_watch_open(const struct sensor_env *env, struct neighbour_watch **ret_watch,
			 char *why);
/* Copies the last snapshot. Never blocks: false while it is being written, or if `watch` is
 * NULL. */
bool neighbour_watch_read(struct neighbour_watch *watch, struct neighbours *ret);
void neighbour_watch_close(struct neighbour_watch *watch);

#endif
