#include "core/trend.h"

#include <math.h>
#include <string.h>

#include "core/law.h"

#define PAIRS (TREND_POINTS * (TREND_POINTS - 1) / 2)

/* The length of a window in look `i`. */
static double window_s(int i)
{
	double s = TREND_WINDOW_S;

	while (i-- > 0)
		s *= TREND_LOOK_TIMES;
	return s;
}

/* The k-th smallest: Hoare's selection, in place. */
static float select_nth(float *v, unsigned n, unsigned k)
{
	unsigned low = 0, high = n - 1;

	while (low < high) {
		float pivot = v[(low + high) / 2];
		unsigned i = low, j = high;

		for (;;) {
			while (v[i] < pivot)
				i++;
			while (v[j] > pivot)
				j--;
			if (i >= j)
				break;
			float swap = v[i];

			v[i++] = v[j];
			v[j--] = swap;
		}
		if (k <= j)
			high = j;
		else
			low = j + 1;
	}
	return v[k];
}

static float point(const struct trend_look *l, unsigned i)
{
	return l->value[(l->next + TREND_POINTS - l->count + i) % TREND_POINTS];
}

/* Slope a window of the points from..to (excluded) by the median of pairs; also the share of
 * falling pairs. */
static double median_slope(const struct trend_look *l, unsigned from, unsigned to,
			   double *ret_falling)
{
	float slope[PAIRS];
	unsigned n = 0, falling = 0;

	for (unsigned i = from; i < to; i++)
		for (unsigned j = i + 1; j < to; j++) {
			slope[n] = (point(l, j) - point(l, i)) / (float)(j - i);
			falling += slope[n++] < 0;
		}
	*ret_falling = (double)falling / n;
	return (double)select_nth(slope, n, n / 2);
}

/* Fewer points tell nothing. */
static bool has_half(const struct trend_look *l)
{
	return l->count >= TREND_POINTS / 2;
}

static bool sees_fall(struct trend_look *l, double window, double least)
{
	double falling, first, second, whole, ignored;
	unsigned n = l->count;

	l->slope = 0;
	if (!has_half(l) || point(l, 0) - point(l, n - 1) < least)
		return false;
	whole = median_slope(l, 0, n, &falling);
	l->slope = whole / window;
	if (falling < TREND_FALLING || -whole * (n - 1) < least)
		return false;
	first = median_slope(l, 0, n / 2, &ignored);
	second = median_slope(l, n / 2, n, &ignored);
	if (first >= 0 || second >= 0 || first < TREND_ALIKE * second ||
	    second < TREND_ALIKE * first)
		return false;
	/* The forecast uses the flatter of the slopes of the whole and of its second half: it is
	 * late rather than wrong. */
	l->slope = fmax(whole, second) / window;
	return true;
}

static void evaluate(struct trend_look *l, double window, double least)
{
	if (sees_fall(l, window, least)) {
		l->held += l->held < 2 * TREND_HELD;
	} else {
		l->held = l->held > 2 ? (uint8_t)(l->held - 2) : 0;
	}
	l->judged = has_half(l);
}

void trend_put(struct trend *t, uint64_t now_us, double value, double least)
{
	if (!t->primed) {
		memset(t, 0, sizeof(*t));
		t->origin = value;
		t->primed = true;
	}
	for (int i = 0; i < TREND_LOOKS; i++) {
		struct trend_look *l = &t->look[i];
		uint64_t window_us = (uint64_t)(window_s(i) * US_IN_S);

		/* Do not compare the readings before and after a gap (a suspended machine, a lost
		 * sensor). */
		if (l->began_us && now_us - l->began_us > 2 * window_us) {
			memset(l, 0, sizeof(*l));
			l->began_us = 0;
		}
		if (l->began_us && now_us - l->began_us >= window_us && l->samples) {
			l->value[l->next] = (float)(l->sum / l->samples);
			l->next = (uint8_t)((l->next + 1) % TREND_POINTS);
			l->count += l->count < TREND_POINTS;
			l->sum = l->samples = 0;
			l->began_us += window_us;
			evaluate(l, window_s(i), least);
		}
		if (!l->began_us)
			l->began_us = now_us;
		l->sum += value - t->origin;
		l->samples++;
	}
}

/* Whether look `i` sees a fall, and the next shorter look does not contradict it. */
static bool holds(const struct trend *t, int i)
{
	const struct trend_look *l = &t->look[i];

	if (l->held < TREND_HELD || l->slope >= 0)
		return false;
	return i == 0 || !t->look[i - 1].judged || TREND_ALIKE * t->look[i - 1].slope < l->slope;
}

bool trend_falling(const struct trend *t, double *ret_per_s, double *ret_seen_s)
{
	for (int i = TREND_LOOKS - 1; i >= 0; i--) {
		if (!holds(t, i))
			continue;
		*ret_per_s = -t->look[i].slope;
		*ret_seen_s = t->look[i].count * window_s(i);
		return true;
	}
	return false;
}

double trend_exhaustion_s(const struct trend *t, double remaining)
{
	for (int i = TREND_LOOKS - 1; i >= 0; i--) {
		double left_s;

		if (!holds(t, i))
			continue;
		left_s = fmax(0, remaining) / -t->look[i].slope;
		if (left_s <= TREND_LOOK_TIMES * t->look[i].count * window_s(i))
			return left_s;
	}
	return -1;
}
