/* Tries to open something until it works: a listener whose address is in use, or a gate that lacks
 * a privilege. */
#ifndef PENSTOCK_BASE_RETRY_H
#define PENSTOCK_BASE_RETRY_H

#include <stdbool.h>
#include <stdint.h>

struct retry {
	bool up;
	/* CLOCK_MONOTONIC of the next attempt; 0: at once, and a failure is logged */
	uint64_t at_us;
	char why[256]; /* of the last failure; the opener writes it */
};

/* Whether it is closed and may be tried now. Empties `why`. */
bool retry_due(struct retry *retry, uint64_t now_us);
/* Takes the result of an attempt, 0 or -errno. Logs the first failure and the success that ends a
 * row of them, as "NAME is not served: WHY" and "NAME is served now". */
void retry_result(struct retry *retry, const char *name, int result, uint64_t now_us);
/* Call it when the thing was closed, or when the cause of the failure may be gone: the next attempt
 * counts as the first. */
void retry_reset(struct retry *retry);

#endif
