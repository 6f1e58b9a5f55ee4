/* Limits the CPU that refusals may take. The program that refuses keeps to a share of one CPU. Near
 * its share it gives a shorter reply, and at its share it rests. If too many clients wait for it
 * all the same, it asks that connections pass. Pure: time and CPU time are arguments. */
#ifndef PENSTOCK_CORE_LIMITER_H
#define PENSTOCK_CORE_LIMITER_H

#include <stdint.h>

#define LIMITER_WINDOW_US UINT64_C(100000) /* the share holds over each window of this length */
/* a form of reply lasts at least so long before a more costly one */
#define LIMITER_DWELL_US UINT64_C(1000000)
/* of the share: above this the short reply is used, so that some of the share is left */
#define LIMITER_CHEAP 0.7
#define LIMITER_CROWD 0.5 /* of the accept queue: above this, too many clients wait */

enum reply_form {
	REPLY_FULL, /* 451, the dialogue until QUIT */
	REPLY_SHORT, /* 421 and close at once */
	REPLY_BYPASS /* the short reply, and connections are to pass without being refused */
};

struct cpu_limiter {
	double share; /* of one CPU; 1: no limit */
	uint64_t window_us, cpu_us; /* when this window began, and the CPU time then */
	uint64_t since_us; /* since when this form is in use */
	double used; /* of one CPU, in the last whole window */
	uint8_t form; /* enum reply_form */
	uint8_t crowded; /* windows in a row that began with too many waiting clients */
};

void cpu_limiter_init(struct cpu_limiter *limiter, double share, uint64_t now_us, uint64_t cpu_us);
/* Call it at least once a window. `cpu_us`: the CPU time spent so far. `crowd`: how full the accept
 * queue is, 0..1, as of the beginning of a window. Returns how long to rest (us), because the share
 * of this window is spent; 0: go on. */
uint64_t cpu_limiter_step(struct cpu_limiter *limiter, uint64_t now_us, uint64_t cpu_us,
			  double crowd);

#endif
