/* Forecasts of hours: when memory, space or inodes will be used up at the present trend. Pure. */
#ifndef PENSTOCK_CORE_FORECAST_H
#define PENSTOCK_CORE_FORECAST_H

#include "core/sample.h"
#include "core/trend.h"

/* All zeros: nothing was seen yet. */
struct forecast {
	struct trend memory, space, inodes; /* what is left of each resource */
};

/* One tick: takes what is left of each resource, and adds the time until it is used up to the
 * sample. That signal is absent if no end is in sight. */
void forecast_step(struct forecast *forecast, struct sample *sample);

#endif
