/* Changes and expectations of the scenario, when their time has come. */
#ifndef PENSTOCK_SIM_SCRIPT_H
#define PENSTOCK_SIM_SCRIPT_H

#include "penstock-sim/world.h"

void script_step(struct run *run);

#endif
