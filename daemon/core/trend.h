/* Where a quantity is going, hours ahead, without an alarm on noise.
 *
 * The values are averaged over windows of 2 s, 20 s, 200 s and 2000 s, 48 of each. So there are
 * four looks back, over 96 s to 27 h. The slope of a look is that of the median pair of points
 * (Theil 1950, Sen 1968), so that a third of the points may have any value. A look sees a fall if
 * - half of its points are there;
 * - nine pairs in ten fall (Kendall's tau >= .8);
 * - each half falls by itself, neither three times faster than the other: a step, a burst or a
 *   random walk does not look like this;
 * - that has held for six windows; a window in which it did not counts twice.
 * The longest look that sees a fall counts, unless the next shorter one falls less than a third as
 * fast: then the fall is over. A forecast reaches at most ten times as far ahead as the fall has
 * been seen, which is how far the next longer look reaches back. So a fall that is small beside
 * what is left tells no end. */
#ifndef PENSTOCK_CORE_TREND_H
#define PENSTOCK_CORE_TREND_H

#include <stdbool.h>
#include <stdint.h>

#define TREND_LOOKS 4
#define TREND_POINTS 48

struct trend_look {
	float value[TREND_POINTS]; /* a ring, less `origin` */
	uint8_t count, next;
	uint8_t held; /* evaluations that found a fall, minus twice those that did not */
	bool judged;
	uint64_t began_us; /* when the window that is being filled began; 0: there is none */
	double sum;
	uint32_t samples;
	double slope; /* a second, as of the last evaluation; negative: it falls */
};

struct trend {
	struct trend_look look[TREND_LOOKS];
	double origin; /* the first value, subtracted so that floats are precise enough */
	bool primed;
};

/* Takes one reading. `least`: a fall of less than this over a whole look is ignored (and costs no
 * arithmetic); 0: no fall is. */
void trend_put(struct trend *trend, uint64_t now_us, double value, double least);
/* Whether it falls; how much a second, and how long that has been seen. */
bool trend_falling(const struct trend *trend, double *ret_per_s, double *ret_seen_s);
/* Seconds until `remaining` is used up; -1: it does not fall, or the fall is not certain enough. */
double trend_exhaustion_s(const struct trend *trend, double remaining);

#endif
