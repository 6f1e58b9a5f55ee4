/* Makes a record of the history from the snapshot: the counts since the last record, and the
 * present state. */
#ifndef PENSTOCK_PUBLISH_HISTORY_TAKE_H
#define PENSTOCK_PUBLISH_HISTORY_TAKE_H

#include "core/history.h"
#include "publish/status.h"

/* The counters as of the last record. Zero: there is none yet, and the first record has no
 * counts; neither has the first one with other services, whose counters are not those before. */
struct history_take {
	bool begun;
	uint64_t at_s, reloaded_us;
	unsigned mode; /* enum plan_mode */
	uint64_t service_id[PLAN_SERVICES];
	uint64_t offered, admitted, deferred, would_defer, by_reason[REASON__COUNT];
	uint64_t held_admitted, held_in_vain, held_left, held_us;
	struct {
		uint64_t offered, admitted, deferred;
	} service[HISTORY_SERVICES];
};

/* Whether a second has passed, so that a record is to be taken. */
bool history_due(const struct history_take *take, uint64_t realtime_us);
void history_take(struct history_take *take, const struct status *status,
		  struct history_record *ret_record);

#endif
