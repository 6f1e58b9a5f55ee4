/* When messages are sent: a rate that changes at given times, Poisson or evenly spaced, from a
 * seed. Pure. */
#ifndef PENSTOCK_LOAD_SCHEDULE_H
#define PENSTOCK_LOAD_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#define SCHEDULE_STEPS 64

struct schedule_step {
	double at_s, rate; /* messages a second, from at_s on */
};

struct schedule {
	unsigned steps;
	struct schedule_step step[SCHEDULE_STEPS];
	double end_s;
	bool poisson;
	uint64_t random; /* state of the generator */
	double next_s;
};

/* "0:50,10:500,20:50": 50 a second from second 0 on, 500 from second 10 on, ... 0 or -EINVAL. */
int schedule_parse(const char *text, struct schedule *ret);
/* The time of the next message, in seconds from the start; negative: there is none. */
double schedule_next(struct schedule *schedule);

#endif
