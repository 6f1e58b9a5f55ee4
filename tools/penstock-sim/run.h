/* One run: the loop over its events and ticks. */
#ifndef PENSTOCK_SIM_RUN_H
#define PENSTOCK_SIM_RUN_H

#include "penstock-sim/world.h"

void run_init(struct run *run, const struct scenario *scenario, enum law_kind law, uint64_t seed,
	      bool trace);
void run_done(struct run *run);
void run_all(struct run *run);

#endif
