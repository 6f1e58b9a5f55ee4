/* The messages: attempts, waiting for a place, refusals, giving up. */
#ifndef PENSTOCK_SIM_TRAFFIC_H
#define PENSTOCK_SIM_TRAFFIC_H

#include "penstock-sim/world.h"

void traffic_arrive(struct run *run);
void traffic_retry(struct run *run, uint32_t message);
/* Admits waiting clients as long as there are places, and refuses those that have waited long
 * enough. */
void traffic_let_in(struct host *host);
/* Call it at the end: counts the clients that still wait. */
void traffic_forget_held(struct host *host);
void traffic_open(struct host *host, uint32_t message, uint64_t held_us);
void traffic_ended(void *host, uint32_t message, enum plant_end end, double server_s);

#endif
