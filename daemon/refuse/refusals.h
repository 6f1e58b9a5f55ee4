/* Writes one mail-facility line for each refused source and epoch: "was 203.0.113.9 refused at
 * 14:03?" Memory and number of lines are limited; what is left out is counted.
 *
 * The lines have their own identifier, penstock-refusals, so that `journalctl -t penstockd` shows
 * only what the daemon did. They also have fields: `journalctl PENSTOCK_SOURCE=203.0.113.9`. */
#ifndef PENSTOCK_REFUSE_REFUSALS_H
#define PENSTOCK_REFUSE_REFUSALS_H

#include <netinet/in.h>
#include <stdint.h>

#include "core/reason.h"
#include "core/reply.h"

#define REFUSALS_SOURCES 1024
#define REFUSALS_LINES 200

/* Which service refused, and its reply style; the pointers stay the caller's. */
struct refusals_by {
	const char *front, *service;
	const struct reply_style *style; /* NULL: no reply is possible (TLS from the first byte) */
	unsigned code;
};

struct refusals {
	struct refusals_by by; /* set before the first refusal */
	uint64_t epoch;
	uint64_t others; /* refusals of sources for which the table was full */
	uint64_t until_us; /* the last announced end of a drain or maintenance */
	unsigned used;
	struct {
		struct in6_addr address;
		uint32_t count;
		uint8_t reason;
	} source[REFUSALS_SOURCES];
};

/* Counts a refusal. The first one of a new epoch writes the lines of the epoch before. `until_us`:
 * see reply_line(). */
void refusals_add(struct refusals *refusals, uint64_t epoch, const struct in6_addr *address,
		  enum reason reason, uint64_t until_us);
/* Writes the lines of an epoch that is over. */
void refusals_flush(struct refusals *refusals, uint64_t epoch);

#endif
