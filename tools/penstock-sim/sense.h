/* The plant as sensors and fronts would report it to the daemon: a sample and a load. Late, noisy
 * or with gaps if the scenario says so. */
#ifndef PENSTOCK_SIM_SENSE_H
#define PENSTOCK_SIM_SENSE_H

#include "core/load.h"
#include "core/sample.h"
#include "penstock-sim/plant.h"

#define SENSE_LATE_MAX 64 /* ticks */

struct sense_config {
	double delay_s; /* age of a sample */
	double loss; /* chance that a signal is missing in a tick */
	double noise; /* sigma of the factor on every value: exp(noise * gauss) */
	bool hide_cost; /* the server's own CPU time is not known */
	bool hide_dialogue; /* completions and dialogue are not known */
	bool filter_apart; /* the filter is in a control group of its own, and found */
};

struct sense {
	struct sense_config config;
	uint64_t random;
	double value[SIGNAL__COUNT]; /* values that the scenario sets instead of the plant's */
	bool set[SIGNAL__COUNT]; /* value below 0: absent */
	struct sample past[SENSE_LATE_MAX];
	uint32_t ticks;
	uint64_t before[COUNTS_SLOTS]; /* connect-to-220 at the tick before */
	uint64_t busy_us;
	uint64_t queue_us; /* when the filter's queue was last read */
	double queue_ready;
};

void sense_init(struct sense *sense, const struct sense_config *config, uint64_t seed);
void sense_observe(struct sense *sense, struct plant *plant, struct sample *ret_sample,
		   struct load *ret_load);

#endif
