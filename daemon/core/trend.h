/*
 * Where a quantity is going, hours ahead, without an alarm on noise.
 *
 * Means over windows of 2 s, 20 s, 200 s and 2000 s, 48 of each: four looks back, 96 s to 27 h. A
 * look sees a fall when
 * - its slope is that of the median pair of points (Theil 1950, Sen 1968): a third of the points
 * may be anything;
 * - nine pairs in ten fall (Kendall's tau >= .8), and each half falls by itself, neither three
 * times faster than the other: a step, a
 *     burst or a random walk does not look like this;
 * - it has held for several windows in a row. A fall is believed no further ahead than twelve times
 * as far as it has been seen. The longest look counts, unless the next shorter one says that it is
 * over.
 */
#ifndef PENSTOCK_CORE_TREND_H
#define PENSTOCK_CORE_TREND_H

#include <stdbool.h>
#include <stdint.h>

#define TREND_LOOKS 4
#define TREND_POINTS 48

struct trend_look {
	float value[TREND_POINTS]; /* a ring, less `origin` */
	uint8_t count, next;
	uint8_t held; /* evaluations that found a fall, less those that did not */
	bool judged;
	uint64_t began_us; /* of the window that is being filled; 0: none */
	double sum;
	uint32_t samples;
	double slope; /* a second, of the last evaluation; negative falls */
};

struct trend {
	struct trend_look look[TREND_LOOKS];
	double origin; /* the first value: so that floats are enough */
	bool primed;
};

/* One reading. `least`: a fall of less than this over a whole look is none (and costs no
 * arithmetic). */
void trend_put(struct trend *trend, uint64_t now_us, double value, double least);
/* Whether it falls: by how much a second, and for how long that has been seen. */
bool trend_falling(const struct trend *trend, double *ret_per_s, double *ret_seen_s);
/* Seconds until `remaining` is used up; -1: it does not fall, or not so that it could be told. */
double trend_exhaustion_s(const struct trend *trend, double remaining);

#endif
