/* The terms of the window in words, for readers who compute it themselves. Each term says how it
 * changes what stands before it, so they are computed from left to right:
 *
 *     26.06 = capacity 101.00/s x (100.0 ms aimed at + 12.0 ms unloaded + 146.0 ms of senders)
 *     ; at least 38: 8 are let in on trial, although the window is full
 *     ; 2 more for those that are stuck
 *     ; at most 30: memory ...
 *     ; at most 15.48 by what waits behind it: 60.00/s x the same times
 *
 * and where the capacity comes from, and goes:
 *
 *     capacity: predicted 97.00/s (0.97 x 1.00 cores / 10.0000 ms of CPU a message) x trust 1.0000;
 *     completed 101.00/s; it goes to 101.00/s, 63 % of the way in 0.70 s, at least 101.00/s
 *
 * daemon/core/window.c has the law. */
#ifndef PENSTOCK_PUBLISH_EXPLAIN_TERMS_H
#define PENSTOCK_PUBLISH_EXPLAIN_TERMS_H

#include "base/text.h"
#include "publish/status.h"

/* For service `i`, whole lines; nothing while no law is in force. */
void explain_terms(const struct status *status, unsigned i, struct text *out);

#endif
