/* One immutable picture of penstock a tick: every output (status JSON, metrics, page, control socket, journal) is a pure
 * function of it. The daemon fills it in, renderers only read it. */
#ifndef PENSTOCK_PUBLISH_STATUS_H
#define PENSTOCK_PUBLISH_STATUS_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "core/counts.h"
#include "core/engine.h"
#include "core/sample.h"
#include "core/source.h"
#include "sensor/disks.h"
#include "sensor/neighbours.h"
#include "sensor/sensor.h"

#define STATUS_SENSORS 24
#define STATUS_FRONTS 12

struct status_front {
	char name[16];
	bool up;
	char why[160]; /* when not up */
	uint64_t pid; /* 0: in the daemon itself */
	uint64_t malformed, errors;
	struct counts_service sum; /* over services */
};

struct status {
	const char *version;
	uint64_t now_us, realtime_us, started_us; /* started: CLOCK_REALTIME */
	uint64_t tick;
	const struct config *config;
	struct engine_view view;
	struct sample sample;
	struct load load;
	struct plan plan;
	unsigned sensors;
	struct sensor_status sensor[STATUS_SENSORS];
	enum sensor_state sensor_state[STATUS_SENSORS]; /* as of the last tick, for the journal */
	struct disk_table disks;
	struct neighbours neighbours; /* who else is on this machine */
	uint64_t foreign_said_us,
		leak_said_us; /* CLOCK_MONOTONIC of the last journal entry; 0: none */
	char foreign_said[96], leak_said[96]; /* whom it named */
	unsigned fronts;
	struct status_front front[STATUS_FRONTS];
	struct counts_service total[PLAN_SERVICES]; /* over fronts */
	uint64_t decisions[COUNTS_SLOTS]; /* ns */
	uint64_t decision_sum_ns, malformed;
	uint64_t tick_durations[COUNTS_SLOTS]; /* us */
	uint64_t tick_sum_us;
	uint64_t lateness[COUNTS_SLOTS], lateness_sum_us; /* of ticks, us */
	uint64_t ticks_late, ticks_early; /* more than one interval late; called by a PSI trigger */
	char triggers[160], scheduling[160]; /* for people */
	uint64_t level_since_realtime_us;
	struct source_stats sources;
	bool sources_known;
	int ledger_error; /* errno, 0: it is written */
	uint64_t source_events_lost;
	bool reload_ok;
	uint64_t reloaded_realtime_us;
	uint64_t log_dropped;
	const char *bpf_why; /* NULL: BPF works */
	const char *shutdown_why; /* NULL: a shutdown of the machine is heard of and held up */
	/* run-queue histogram, slot i holds waits below 2^i us; count 0: not known */
	uint64_t runq_slots[32], runq_sum_us, runq_count;
};

/* The fronts of one name as one (several proxies, and those that stopped: their counters stay). Returns how many names
 * there are; with `index` below that, `ret_front` gets the sum, `up` when any of them is. */
unsigned status_front_named(const struct status *status, unsigned index,
			    struct status_front *ret_front);

#endif
