/* What people and alerts read: five levels with paired thresholds. A level follows what clients
 * are told: it is entered after 1 s (shedding at once: clients are refused), and left
 * after 3 s below 80 % of its entry, over as many steps as it takes. A level that comes back
 * within two minutes after it was left stays for two minutes, so that a load at a threshold does
 * not flap. While no client can be refused for load (an order, observe mode), the level is never
 * shedding or above. Fronts never read it.
 *
 * Example: half of the connections are refused until 12:00:00. Severe until 12:00:08 or so (the
 * rates are smoothed over a second), then normal. */
#ifndef PENSTOCK_CORE_LEVEL_H
#define PENSTOCK_CORE_LEVEL_H

#include <stdint.h>

enum level_number {
	LEVEL_NORMAL,
	LEVEL_ELEVATED,
	LEVEL_SHEDDING,
	LEVEL_SEVERE,
	LEVEL_CRITICAL,
	LEVEL__COUNT
};

struct level {
	enum level_number number;
	uint64_t since_us; /* CLOCK_MONOTONIC */
	uint64_t changes[LEVEL__COUNT]; /* entries into each level since start */
};

struct level_state {
	struct level level;
	/* For each level: since when its entry condition has held, and since when it has not (below
	 * 80 % of it); 0: not so now. */
	uint64_t above_since_us[LEVEL__COUNT], below_since_us[LEVEL__COUNT];
	uint64_t left_us[LEVEL__COUNT]; /* when it was last left downwards, 0: never */
	uint8_t rests[LEVEL__COUNT]; /* it came back soon after it was left, so it stays longer */
};

struct level_input {
	uint64_t now_us;
	double pressure; /* combined */
	double admit_ratio; /* admitted / offered of late, as clients were told */
	/* a hard limit binds (memory, descriptors, disk space), and clients are refused */
	int hard;
	/* no client can be refused for load: shedding and higher levels are left at once */
	int spares;
};

void level_init(struct level_state *state, uint64_t now_us);
/* Returns nonzero when the level changed. */
int level_step(struct level_state *state, const struct level_input *input);
const char *level_name(enum level_number number);

#endif
