/* The small filters used in core: an exponential mean by measured time, decay, and the difference
 * of a counter that may be reset. */
#ifndef PENSTOCK_CORE_SMOOTH_H
#define PENSTOCK_CORE_SMOOTH_H

#include <math.h>
#include <stdint.h>

/* The share of the way to the new value that a step of dt makes at time constant tau (same
 * unit). */
static inline double smooth_share(double dt, double tau)
{
	return 1 - exp(-dt / tau);
}

static inline void smooth_step(double *mean, double value, double dt, double tau)
{
	*mean += (value - *mean) * smooth_share(dt, tau);
}

/* now - before; 0 if the counter was reset. */
static inline double counter_delta(uint64_t now, uint64_t before)
{
	return now >= before ? (double)(now - before) : 0;
}

static inline double clamp_double(double value, double low, double high)
{
	return value < low ? low : value > high ? high : value;
}

/* `value` times `keep`, or 0 if that is tiny: arithmetic on a denormal number takes a CPU a hundred
 * cycles. */
static inline float fade_float(float value, float keep)
{
	return value > 1e-6f ? value * keep : 0;
}

#endif
