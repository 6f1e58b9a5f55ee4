/* One run: everything of it, and the loop. */
#ifndef PENSTOCK_SIM_RUN_H
#define PENSTOCK_SIM_RUN_H

#include "penstock-sim/law.h"
#include "penstock-sim/measure.h"
#include "penstock-sim/plant.h"
#include "penstock-sim/queue.h"
#include "penstock-sim/scenario.h"
#include "penstock-sim/senders.h"
#include "penstock-sim/sense.h"

/* Virtual time begins at one second: 0 means "never" in many places. */
#define RUN_BEGIN_US UINT64_C(1000000)
#define RUN_TICK_US 100000u

struct run {
	struct scenario scenario; /* its own copy: events are ticked off in it */
	uint64_t seed;
	struct queue queue;
	struct plant plant;
	struct sense sense;
	struct senders senders;
	struct law law;
	struct measure measure;
	double offered; /* new messages a second */
	double restart; /* 1: the daemon starts anew, 2: with what it had learned */
	double hung; /* above 0: the daemon is, and its plan grows old */
	uint64_t now_us, next_arrival_us, random, events;
	double rejects_per_s;
	uint32_t under_way; /* admitted, and not at the server yet */
	uint64_t refused_before, completed_before, in_time_before, good_before;
	unsigned failed;
	bool trace;
};

void run_init(struct run *run, const struct scenario *scenario, enum law_kind law, uint64_t seed,
	      bool trace);
void run_done(struct run *run);
void run_all(struct run *run);

/* traffic.c: a message tries, is refused, is given up. */
void traffic_arrive(struct run *run);
void traffic_retry(struct run *run, uint32_t message);
void traffic_open(struct run *run, uint32_t message);
void traffic_ended(void *run, uint32_t message, enum plant_end end, double server_s);

/* script.c: what the scenario changes and expects. */
void script_step(struct run *run);
bool run_overloaded(const struct run *run);

static inline double run_time_s(const struct run *run)
{
	return (double)(run->now_us - RUN_BEGIN_US) / 1e6;
}

enum run_event { RUN_RETRY = PLANT_EVENT__COUNT, RUN_OPEN };

#endif
