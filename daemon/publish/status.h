/* One snapshot of penstock as of a tick: every output (status JSON, metrics, page, explain) is a
 * pure function of it. publish/snapshot.h takes all of it at once. After that nothing changes it,
 * and it points to nothing that changes. */
#ifndef PENSTOCK_PUBLISH_STATUS_H
#define PENSTOCK_PUBLISH_STATUS_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "core/counts.h"
#include "core/distinct.h"
#include "core/engine.h"
#include "core/maintenance.h"
#include "core/sample.h"
#include "core/source.h"
#include "fleet/fleet.h"
#include "publish/lately.h"
#include "sensor/disks.h"
#include "sensor/filters.h"
#include "sensor/neighbours.h"
#include "sensor/sensor.h"

#define STATUS_SENSORS 24
#define STATUS_FRONTS 12
#define STATUS_FSYNCS 2

struct status_front {
	char name[16];
	bool up;
	bool passes; /* down, but clients get through to the mail server */
	char why[160]; /* empty if up */
	uint64_t pid; /* 0: in the daemon itself */
	uint64_t malformed, errors;
	struct counts_service sum; /* over services */
};

/* The processes of an outlet: those that answer HTTP for operators and for customers, or those that
 * parse the calls of the control socket. */
struct status_outlet {
	bool wanted; /* HTTP: [http] listen or public names an address */
	bool up; /* all wanted ones run, and have reported that they are ready */
	uint64_t restarts; /* number of restarts since penstockd was started */
};

struct status {
	const char *version; /* a literal */
	uint64_t now_us, realtime_us, started_us; /* started: CLOCK_REALTIME */
	uint64_t tick;
	struct config config;
	struct engine_view view;
	struct sample sample;
	struct load load;
	struct plan plan;
	struct maintenance_view maintenance; /* planned */
	unsigned sensors;
	struct sensor_status sensor[STATUS_SENSORS];
	struct disk_table disks;
	struct neighbours neighbours; /* other programs on this machine */
	struct filters filters; /* the filters to which the mail server passes its mail */
	unsigned fronts;
	struct status_front front[STATUS_FRONTS];
	struct counts_service total[PLAN_SERVICES]; /* over fronts */
	struct lately_service lately[PLAN_SERVICES]; /* of the last seconds */
	uint64_t decisions[COUNTS_SLOTS]; /* ns */
	uint64_t decision_sum_ns, malformed;
	struct faults faults; /* over fronts */
	uint64_t tick_durations[COUNTS_SLOTS]; /* us */
	uint64_t tick_sum_us;
	uint64_t lateness[COUNTS_SLOTS], lateness_sum_us; /* of ticks, us */
	/* more than one interval late; early because of a PSI trigger */
	uint64_t ticks_late, ticks_early;
	char triggers[160], scheduling[160]; /* for people */
	uint64_t level_since_realtime_us;
	/* CLOCK_REALTIME: since when the headline is of this kind, publish/headline.h */
	uint64_t headline_since_us;
	uint64_t deferred_us; /* CLOCK_REALTIME: when clients were deferred last; 0: never */
	/* CLOCK_REALTIME: since when customers see this state, publish/public_page.h */
	uint64_t public_since_us;
	struct source_stats sources;
	/* Sources that were deferred since the last record of the history. */
	struct distinct deferred_sources;
	struct source_shared shared; /* the address that may stand for many */
	struct source_shared shared_last; /* the one that the fault shared_address is about */
	bool sources_known;
	struct fleet_view fleet;
	int ledger_error; /* errno of the last write, 0: none */
	int state_error; /* the same of any file in the state directory */
	uint64_t source_events_lost;
	bool reload_ok;
	uint64_t reloaded_realtime_us;
	uint64_t log_dropped;
	struct status_outlet http, control;
	char bpf_why[256]; /* empty: BPF works */
	/* empty: penstock is told before the machine shuts down, and can delay it */
	char shutdown_why[256];
	/* run-queue histogram: slot i counts waits below 2^i us; count 0: unknown */
	uint64_t runq_slots[32], runq_sum_us, runq_count;
	/* calls of fsync() since the probe was loaded: of all file systems, and of the queue
	 * directories' */
	struct {
		bool known;
		uint64_t slots[COUNTS_SLOTS], sum_us;
	} fsync[STATUS_FSYNCS];
};

/* A copy without the names of control groups, the place of the configuration and the address that
 * may stand for many, for users who may not see what else runs on this machine, or who sends. */
void status_hide_neighbours(const struct status *status, struct status *ret);
/* The windows of all services that have one, each in whole sessions as it is shown; -1: none
 * has. */
double status_window(const struct status *status);
/* Connections that were admitted in observe mode, and that enforcing would have let wait for a
 * place before they were admitted or deferred; a part of those that it "would defer". */
uint64_t status_would_hold(const struct status *status);
/* The sum of all fronts with one name (several proxies, and those that ended: their counters stay).
 * Returns the number of names. If `index` is below that, `ret_front` gets the sum; it is `up` if
 * any of them is. */
unsigned status_front_named(const struct status *status, unsigned index,
			    struct status_front *ret_front);

#endif
