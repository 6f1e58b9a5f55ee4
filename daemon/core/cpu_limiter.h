/* Limits the CPU that refusals may take. The program that refuses keeps to a share of one CPU:
 * first it says less, then it pauses, and when too many clients wait for it nevertheless, it
 * asks that connections pass. Pure: time and CPU time are arguments. */
#ifndef PENSTOCK_CORE_LIMITER_H
#define PENSTOCK_CORE_LIMITER_H

#include <stdint.h>

#define LIMITER_WINDOW_US UINT64_C(100000) /* the share is kept over each of these */
#define LIMITER_DWELL_US UINT64_C(1000000) /* least time in a form before an easier one */
/* of the share: from here on the cheap form, so that some is left for it */
#define LIMITER_CHEAP 0.7
#define LIMITER_CROWD 0.5 /* of the accept queue: those who wait are too many */

enum reply_form {
	REPLY_FULL, /* 451, the dialogue until QUIT */
	REPLY_SHORT, /* 421 and close at once */
	REPLY_BYPASS /* and others are to do without us: let connections pass */
};

struct cpu_limiter {
	double share; /* of one CPU; 1: all that it wants */
	uint64_t window_us, cpu_us; /* when this window began, and the CPU time then */
	uint64_t since_us; /* in this form */
	double used; /* of one CPU, in the last whole window */
	uint8_t form; /* enum reply_form */
	uint8_t crowded; /* windows in a row that began with a crowd */
};

void cpu_limiter_init(struct cpu_limiter *limiter, double share, uint64_t now_us, uint64_t cpu_us);
/* At least once a window. `cpu_us`: CPU time that was spent so far. `crowd`: how full the accept
 * queue is, 0..1, looked at when a window begins. Returns for how long to rest (us): the share of
 * this window is spent; 0: go on. */
uint64_t cpu_limiter_step(struct cpu_limiter *limiter, uint64_t now_us, uint64_t cpu_us,
			  double crowd);

#endif
