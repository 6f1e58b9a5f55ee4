/* A sensor reads some part of the kernel and puts signals. Each sensor is one struct, listed in
 * registry.c in the order of preference: a signal that is present is not overwritten (sample_put).
 * A sensor that cannot open is skipped, and status shows the reason. One that keeps failing is
 * quarantined and tried again with back-off. */
#ifndef PENSTOCK_SENSOR_SENSOR_H
#define PENSTOCK_SENSOR_SENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "core/load.h"
#include "core/sample.h"

#define SENSOR_WHY_MAX 160

struct disk_table;
struct worker; /* sensor/worker.h */
struct proc_reader; /* sensor/proc_file.h */
struct mta_watch; /* sensor/mta.h */
struct neighbours; /* sensor/neighbours.h */
struct filters; /* sensor/filters.h */
struct spool_watch; /* sensor/spool_watch.h */
struct kernel; /* kernel/kernel.h; NULL: BPF is not available, see kernel->bpf_why */

/* Idle: there is no pressure; sensors are polled half as often as their budget allows, and not at
 * every tick. Surge: the load has just jumped (surge.h); the sensors that steer are polled at every
 * tick. Urgent: the kernel reports stalls; all are. */
enum urgency { URGENCY_IDLE, URGENCY_NORMAL, URGENCY_SURGE, URGENCY_URGENT };

struct sensor_poll {
	enum urgency urgency;
	/* in the last seconds tasks waited for a CPU for half of the target or longer */
	bool cpu_pressed;
};

struct sensor_env {
	int proc_fd, sys_fd,
		/* directories: /proc, /sys, the cgroup2 root; a test passes copies of them; -1:
		 * absent */
		cgroup_fd;
	const struct config *config;
	struct kernel *kernel;
	struct disk_table *disks; /* disks.h; always the registry's own */
	/* Threads for work that may block, see worker.h. Set by registry_open(). */
	struct worker *worker, *spool_worker; /* the latter for work that may hang */
	struct proc_reader *proc_reader; /* the thread for files of /proc that a program serves */
	/* Shared by several sensors. Set by registry_open(); NULL: no thread could be created. */
	struct mta_watch *mta;
	struct spool_watch *spool;
	struct neighbours *neighbours; /* the registry's own snapshot of them */
	struct filters *filters; /* the same */
	const struct sensor_poll *poll; /* of the present poll; the registry's own */
};

struct sensor_ops {
	const char *name;
	const enum signal *provides; /* ends with SIGNAL__COUNT */
	/* 0, or -errno with a sentence in `why` (SENSOR_WHY_MAX) that says what is missing and what
	 * follows. */
	int (*open)(const struct sensor_env *env, void **ret_state, char *why);
	/* Puts all signals that it can read. 0, or -errno if nothing could be read (this counts
	 * towards quarantine). Must not block. */
	int (*poll)(void *state, uint64_t now_us, struct sample *sample, struct load *load,
		    char *why);
	void (*close)(void *state);
	/* It puts load, which is not kept between polls, so it must be cheap. */
	bool every_tick;
	bool steers; /* the window follows it: it is polled often under pressure */
	unsigned budget_us_per_s; /* CPU that its polls may take; 0: the default of budget.h */
	/* shortest time between polls, for values that change slowly; 0: every tick */
	unsigned interval_min_ms;
};

enum sensor_state { SENSOR_OK, SENSOR_SKIPPED, SENSOR_FAILING, SENSOR_QUARANTINED, SENSOR_STATES };

struct sensor_status {
	const char *name;
	enum sensor_state state;
	/* not ok: why; ok: what it leaves out, empty: nothing */
	char why[SENSOR_WHY_MAX];
	uint64_t errors, polls;
	uint64_t cost_ns; /* of all polls: the daemon's own CPU */
	double cost_us; /* of one recent poll */
	uint64_t interval_us; /* time between polls, set by their cost; below a tick: every tick */
	unsigned signals; /* put in the last poll */
	const enum signal *provides;
};

struct registry;

/* Opens every sensor in order. Fails only with -ENOMEM, and never because of a sensor. `env` is
 * copied; its pointers stay the caller's. */
int registry_open(const struct sensor_env *env, struct registry **ret_registry);
void registry_close(struct registry *registry);
/* Polls the sensors that are due, in order (all of them if urgent), into `sample` (already cleared)
 * and `load`, which has what the fronts have counted. The others keep their last values. */
void registry_poll(struct registry *registry, uint64_t now_us, enum urgency urgency,
		   struct sample *sample, struct load *load);
/* The disks as of the last poll. */
const struct disk_table *registry_disks(const struct registry *registry);
/* The other users of this machine, as of the last poll. */
const struct neighbours *registry_neighbours(const struct registry *registry);
/* The filters to which the mail server passes its mail on this host, as of the last poll. */
const struct filters *registry_filters(const struct registry *registry);
unsigned registry_count(const struct registry *registry);
const struct sensor_status *registry_status(const struct registry *registry, unsigned index);
const char *sensor_state_name(enum sensor_state state);

#endif
