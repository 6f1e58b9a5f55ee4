/* The pressure of a signal is signal / target, of a resource the largest of its signals, and of the
 * machine the largest of all. 1.0: the objective is just met. */
#ifndef PENSTOCK_CORE_PRESSURE_H
#define PENSTOCK_CORE_PRESSURE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/sample.h"

struct pressure {
	double signal[SIGNAL__COUNT]; /* smoothed signal / target; 0 where there is none */
	/* in force: the configured target plus what was learned unloaded; 0: none */
	double target[SIGNAL__COUNT];
	double resource[RESOURCE__COUNT];
	bool known[RESOURCE__COUNT];
	enum signal resource_driver[RESOURCE__COUNT]; /* SIGNAL__COUNT: none */
	double combined;
	bool any_known;
	enum resource driver; /* RESOURCE__COUNT: none */
	enum signal driver_signal;
};

struct pressure_state {
	double smoothed[SIGNAL__COUNT];
	bool seen[SIGNAL__COUNT];
	/* time from the connection to the greeting without load, learned */
	double connect_220_base_us;
	bool base_seen;
	double server_time_base_us; /* unloaded part of T, from the engine */
};

/* What a restart keeps: the time to the greeting without load, us. Ignored if it makes no sense. */
void pressure_restore(struct pressure_state *state, double connect_220_base_us);
void pressure_step(struct pressure_state *state, const double *targets, const struct sample *sample,
		   double dt_s, struct pressure *ret_pressure);

#endif
