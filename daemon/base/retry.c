#include "base/retry.h"

#include <string.h>

#include "base/clock.h"
#include "base/duration.h"
#include "base/log.h"

#define RETRY_US (5 * US_PER_S)

bool retry_due(struct retry *r, uint64_t now_us)
{
	if (r->up || now_us < r->at_us)
		return false;
	r->why[0] = 0;
	return true;
}

void retry_result(struct retry *r, const char *name, int result, uint64_t now_us)
{
	bool first = r->at_us == 0;
	char pause[DURATION_PRINTED];

	r->up = result == 0;
	r->at_us = result == 0 ? 0 : now_us + RETRY_US;
	if (result < 0 && first)
		log_error("Cannot serve %s: %s. Trying again every %s; mail is not affected.", name,
			  r->why[0] ? r->why : strerror(-result),
			  duration_print_us(RETRY_US, pause));
	else if (result == 0 && !first)
		log_notice("%s is served now", name);
}

void retry_reset(struct retry *r)
{
	r->up = false;
	r->at_us = 0;
}
