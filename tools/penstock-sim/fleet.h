/* The messages between the hosts of a fleet. With one host there are none. */
#ifndef PENSTOCK_SIM_FLEET_H
#define PENSTOCK_SIM_FLEET_H

#include "penstock-sim/world.h"

void fleet_begin(struct host *host);
void fleet_end(struct host *host);
/* Once a second. */
void fleet_exchange(struct run *run);

#endif
