/* Quantiles of a cumulative histogram over the last second or so: two snapshots, half a window
 * apart, so that a quantile always covers at least half a window. */
#ifndef PENSTOCK_SENSOR_WINDOW_HIST_H
#define PENSTOCK_SENSOR_WINDOW_HIST_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "core/counts.h"

#define WINDOW_HIST_HALF_US 500000u

struct window_hist {
	uint64_t before[2][COUNTS_SLOTS];
	uint64_t rotated_us;
	unsigned rotations;
};

/* The quantile; -1: no event in the window, or no window yet. */
static inline double window_hist_quantile(const struct window_hist *h, const uint64_t *now,
					  double q)
{
	if (h->rotations < 2 || memcmp(now, h->before[1], sizeof(h->before[1])) == 0)
		return -1;
	return counts_quantile(now, h->before[1], q);
}

/* Whether no event has come since it was last rotated. */
static inline bool window_hist_is_still(const struct window_hist *h, const uint64_t *now)
{
	return memcmp(now, h->before[0], sizeof(h->before[0])) == 0;
}

/* Call it after the quantiles were taken. */
static inline void window_hist_step(struct window_hist *h, const uint64_t *now, uint64_t now_us)
{
	if (h->rotations && now_us - h->rotated_us < WINDOW_HIST_HALF_US)
		return;
	h->rotated_us = now_us;
	h->rotations++;
	memcpy(h->before[1], h->before[0], sizeof(h->before[0]));
	memcpy(h->before[0], now, sizeof(h->before[0]));
}

#endif
