/* When messages are sent: a rate that changes at given times, Poisson or evenly spaced, from a
 * seed. Pure. */
#ifndef PENSTOCK_LOAD_SCHEDULE_H
#define PENSTOCK_LOAD_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#define SCHEDULE_STEPS 64

struct schedule_step {
	double at_s, rate; /* messages a second from then on */
};

struct schedule {
	unsigned steps;
	struct schedule_step step[SCHEDULE_STEPS];
	double end_s;
	bool poisson;
	uint64_t random; /* state of the generator */
	double next_s;
};

/* "0:50,10:500,20:50": from second 0 on 50 a second, from 10 on 500, ... 0 or -EINVAL. */
int schedule_parse(const char *text, struct schedule *ret);
/* The time of the next message in seconds from the start; negative: no more. */
double schedule_next(struct schedule *schedule);
/* The expected number of all messages. */
double schedule_expected(const struct schedule *schedule);

#endif
