#include "refuse/faultlog.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "core/message.h"

#define AGAIN_US (60 * US_PER_S)

void faultlog_note(struct faultlog *log, struct faults *faults, enum fault fault, uint64_t now_us,
		   const char *detail)
{
	uint64_t count = ++faults->count[fault];
	char fields[64];

	faults->last_us[fault] = now_us;
	if (log->said_us[fault] && now_us - log->said_us[fault] < AGAIN_US)
		return;
	snprintf(fields, sizeof(fields), "PENSTOCK_FAULT=%s", fault_name(fault));
	log_event(LOG_LEVEL_WARNING, MESSAGE_FAULT, fields,
		  "%s%s%s%s (%llu since the last such line). %s. %s.", fault_what(fault),
		  detail ? " (" : "", detail ? detail : "", detail ? ")" : "",
		  (unsigned long long)(count - log->said_count[fault]), fault_consequence(fault),
		  fault_remedy(fault));
	log->said_us[fault] = now_us;
	log->said_count[fault] = count;
}
