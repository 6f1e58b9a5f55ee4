/* The world of one run: the scenario, the hosts with their daemons, the senders, the clock. */
#ifndef PENSTOCK_SIM_WORLD_H
#define PENSTOCK_SIM_WORLD_H

#include "core/fleet_host.h"
#include "penstock-sim/law.h"
#include "penstock-sim/measure.h"
#include "penstock-sim/plant.h"
#include "penstock-sim/queue.h"
#include "penstock-sim/scenario.h"
#include "penstock-sim/senders.h"
#include "penstock-sim/sense.h"
#include "penstock-sim/ticks.h"

/* Virtual time begins at one second, because 0 means "never" in many places. */
#define RUN_BEGIN_US UINT64_C(1000000)
#define RUN_TICK_US 100000u

struct run;

/* A recorded server, which the simulated one follows. */
struct against {
	const struct ticks *recorded;
	/* The arrivals, in us since the beginning. None: as many sessions as the recorded server
	 * had are kept in flight, and no client is refused. */
	const uint64_t *arrival_us;
	uint32_t arrivals;
	struct ticks *simulated; /* filled with what the first host does */
};

/* A mail server with its daemon. */
struct host {
	struct run *run;
	unsigned index;
	struct plant plant;
	struct sense sense;
	struct law law;
	double restart; /* 1: the daemon starts without memory, 2: with what it had learned */
	double hung; /* above 0: the daemon hangs, and its plan grows old */
	double down; /* above 0: new clients cannot reach the host; open sessions finish */
	double rejects_per_s;
	/* clients that wait for a place in front of the server: struct held of traffic.c */
	struct room room;
	double held_worst_s;
	uint32_t under_way; /* admitted, and not at the server yet */
	uint32_t in_flight_before; /* before this event */
	uint64_t refused_before, completed_before, in_time_before, filtered_before, good_before;
	/* For a fleet: what the host knows of the others' senders, and its messages, which the
	 * others get a second later. */
	struct fleet_memory memory;
	struct fleet_record said[FLEET_FRAMES * FLEET_FRAME_RECORDS];
	unsigned saids;
	struct fleet_host says;
	bool elsewhere; /* another host reports room */
	uint64_t messages, records;
};

struct run {
	struct scenario scenario; /* a copy: events that have happened are marked in it */
	uint64_t seed;
	struct queue queue;
	struct host *host;
	unsigned hosts;
	struct senders senders;
	struct measure measure;
	double offered; /* new messages a second */
	const struct against *against; /* the recorded server with which it is compared, if any */
	uint32_t arrived; /* how many of these have arrived */
	double store; /* above 0: the store of the fleet works */
	double steering; /* above 0: fleet.next_mx */
	uint64_t now_us, next_arrival_us, random, events;
	unsigned failed;
	bool trace;
};

/* The daemon's configuration without a file; the counts of all hosts; and the completions a second
 * of the hosts that can be reached. */
void run_configure(const struct scenario *scenario, struct engine_config *ret);
void run_counts(const struct run *run, struct counts_service *ret);
double run_capacity(const struct run *run);

static inline double run_time_s(const struct run *run)
{
	return (double)(run->now_us - RUN_BEGIN_US) / 1e6;
}

static inline bool run_is_fleet(const struct run *run)
{
	return run->hosts > 1;
}

enum run_event { RUN_RETRY = PLANT_EVENT__COUNT, RUN_OPEN };

#endif
