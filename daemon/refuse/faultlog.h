/* Counts a fault (core/fault.h) in the counts of its front, and logs it: the first one at once,
 * then one line a minute with their number, so that a fault at every connection does not fill the
 * log. */
#ifndef PENSTOCK_REFUSE_FAULTLOG_H
#define PENSTOCK_REFUSE_FAULTLOG_H

#include "core/fault.h"

struct faultlog {
	uint64_t said_us[FAULT__COUNT]; /* CLOCK_MONOTONIC of the last line, 0: none yet */
	uint64_t said_count[FAULT__COUNT]; /* faults->count at that line */
};

/* `detail`: what the fault was about ("127.0.0.1:2525", an address); NULL: nothing. */
void faultlog_note(struct faultlog *log, struct faults *faults, enum fault fault, uint64_t now_us,
		   const char *detail);

#endif
