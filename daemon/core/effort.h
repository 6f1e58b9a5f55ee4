/* How much work a refusal may cost now: a server of refusals keeps to a share of one CPU by saying
 * less, then by resting, and when those who wait for it become too many in spite of that, by asking
 * that connections pass it by. Pure: time and CPU time are arguments. */
#ifndef PENSTOCK_CORE_EFFORT_H
#define PENSTOCK_CORE_EFFORT_H

#include <stdint.h>

#define EFFORT_WINDOW_US UINT64_C(100000) /* the share is kept over each of these */
#define EFFORT_DWELL_US UINT64_C(1000000) /* least time in a form before an easier one */
/* of the share: from here on the cheap form, so that some is left for it */
#define EFFORT_CHEAP 0.7
#define EFFORT_CROWD 0.5 /* of the accept queue: those who wait are too many */

enum effort_form {
	EFFORT_FULL, /* 451, the dialogue until QUIT */
	EFFORT_SHORT, /* 421 and close at once */
	EFFORT_PASS /* and others are to do without us: let connections pass */
};

struct effort {
	double share; /* of one CPU; 1: all that it wants */
	uint64_t window_us, cpu_us; /* when this window began, and the CPU time then */
	uint64_t since_us; /* in this form */
	double used; /* of one CPU, in the last whole window */
	uint8_t form; /* enum effort_form */
	uint8_t crowded; /* windows in a row that began with a crowd */
};

void effort_init(struct effort *effort, double share, uint64_t now_us, uint64_t cpu_us);
/* At least once a window. `cpu_us`: CPU time that was spent so far. `crowd`: how full the accept
 * queue is, 0..1, looked at when a window begins. Returns for how long to rest (us): the share of
 * this window is spent; 0: go on. */
uint64_t effort_step(struct effort *effort, uint64_t now_us, uint64_t cpu_us, double crowd);

#endif
