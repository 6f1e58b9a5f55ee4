#include "penstock-sim/fluid.h"

#include <math.h>
#include <string.h>

/* Small random backlogs occur all the time: a backlog counts from this many seconds of capacity
 * on. */
#define NOISE_S 1.0

void fluid_bound(const uint32_t *arrived, const double *capacity, uint32_t seconds,
		 struct fluid *ret)
{
	double backlog = 0;
	uint32_t since = 0;

	memset(ret, 0, sizeof(*ret));
	for (uint32_t now = 0; now < seconds; now++) {
		double before = backlog;

		backlog = fmax(0, backlog + arrived[now] - capacity[now]);
		ret->backlog_max = fmax(ret->backlog_max, backlog);
		if (capacity[now] > 0)
			ret->ordered_s = fmax(ret->ordered_s, backlog / capacity[now]);
		if (before <= NOISE_S * capacity[now] && backlog > NOISE_S * capacity[now])
			since = now;
		if (backlog > NOISE_S * capacity[now])
			ret->drain_s = fmax(ret->drain_s, now - since + 1.0);
	}
}
