/* Records of the history, as the tests of it make them. */
#ifndef PENSTOCK_UNIT_HISTORY_WORLD_H
#define PENSTOCK_UNIT_HISTORY_WORLD_H

#include <stdio.h>

#include "core/history.h"
#include "publish/headline.h"

#define NOON UINT64_C(1800000000) /* a multiple of 60 */

/* One second with two services; if clients were deferred, it was for the disk. */
static inline struct history_record second(uint64_t at_s, uint32_t offered, uint32_t deferred)
{
	struct history_record r = { .at_s = at_s,
				    .period_s = 1,
				    .seconds = 1,
				    .offered = offered,
				    .admitted = offered - deferred,
				    .deferred = deferred,
				    .headline = deferred ? HEADLINE_DEFERRING : HEADLINE_NORMAL,
				    .level = deferred ? 3 : 0,
				    .window = 20,
				    .in_flight = 11,
				    .demand = -1 };

	snprintf(r.service[0].name, sizeof(r.service[0].name), "mx");
	snprintf(r.service[1].name, sizeof(r.service[1].name), "submission");
	r.service[1].offered = offered / 4;
	r.service[1].deferred = offered / 4 * deferred / 40;
	r.service[1].admitted = r.service[1].offered - r.service[1].deferred;
	r.service[0].offered = offered - r.service[1].offered;
	r.service[0].deferred = deferred - r.service[1].deferred;
	r.service[0].admitted = r.service[0].offered - r.service[0].deferred;
	if (deferred) {
		r.by_reason[REASON_DISK] = deferred;
		r.driver_pressure = 3.8f;
		r.driver_value = 1.9e6f;
		/* 4 of 500 sources in each second, every one of them again and again */
		for (uint64_t i = 0; i < 4; i++)
			distinct_add(&r.sources, (at_s * 4 + i) % 500);
		snprintf(r.driver, sizeof(r.driver), "disk");
		snprintf(r.signal, sizeof(r.signal), "fsync_p99_us");
		snprintf(r.unit, sizeof(r.unit), "backup.service");
	}
	return r;
}

#endif
