#include "core/smtp_track.h"

#include <math.h>

#define USUAL_TURNS 100
#define STUCK_TIMES 64
#define STUCK_MIN_US 10e6
#define STUCK_MAX_US 120e6

void smtp_usual_note(struct smtp_usual *u, uint64_t turn_us)
{
	double value = log((double)turn_us + 1) / log(2.);

	u->turns++;
	u->log2_us +=
		(value - u->log2_us) / (double)(u->turns < USUAL_TURNS ? u->turns : USUAL_TURNS);
}

uint64_t smtp_usual_stuck_us(const struct smtp_usual *u)
{
	return (uint64_t)fmin(STUCK_MAX_US, fmax(STUCK_MIN_US, STUCK_TIMES * exp2(u->log2_us)));
}
