/* What people and alerts read: five levels with paired thresholds and dwell, up after 1 s, down one step after 30 s below
 * 80 % of its entry. Fronts never read it. */
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
	uint64_t above_since_us, below_since_us; /* 0: not so */
	enum level_number above;
};

struct level_input {
	uint64_t now_us;
	double pressure; /* combined */
	double admit_ratio; /* admitted / offered, lately */
	int hard; /* a hard limit binds (memory, descriptors, disk space) and connections were refused */
};

void level_init(struct level_state *state, uint64_t now_us);
/* Returns nonzero when the level changed. */
int level_step(struct level_state *state, const struct level_input *input);
const char *level_name(enum level_number number);

#endif
