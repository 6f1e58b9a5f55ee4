/* What a greeting usually takes, as a distribution. Some clients wait longer than others: their
 * names take the server seconds to look up, and nothing on the machine is slow. If one client in
 * twenty waits 3 s longer than the others, that is usual here, and such a client is not refused
 * late for it.
 *
 * Only what a greeting took longer than those just before and just after it is learned. In a queue,
 * and after the server hung, all wait alike: that tells of load, and what is usual does not grow
 * with it.
 *
 * Log-spaced buckets, of the last thousand greetings or so: old ones lose their weight with each
 * new one, and not with time. All zeros: none yet. */
#ifndef PENSTOCK_CORE_GREETING_TIMES_H
#define PENSTOCK_CORE_GREETING_TIMES_H

#include <stdbool.h>
#include <stdint.h>

#include "core/counts.h"

/* A greeting is compared with so many before it, and with so many after it: with fewer, chance puts
 * slow ones on one side. The size of an array, and so no row of law.h. */
#define GREETING_TIMES_BESIDE 8
#define GREETING_TIMES_RECENT (2 * GREETING_TIMES_BESIDE + 1)

struct greeting_times {
	uint32_t slot[COUNTS_SLOTS]; /* greetings, by how much longer they took (counts_slot()) */
	uint32_t count; /* in all slots */
	/* the last greetings: how long they took, us; [at] is the oldest one and is replaced
	 * next */
	uint64_t recent[GREETING_TIMES_RECENT];
	uint8_t at, known;
};

/* A client was greeted `us` after it was admitted. */
void greeting_times_add(struct greeting_times *times, uint64_t us);
/* Whether there were enough greetings to know what is usual: fewer may have missed the clients that
 * wait longer. */
bool greeting_times_tell(const struct greeting_times *times);
/* How much longer than others nearly every client waits at most, us; UNGREETED_S at
 * most, 0 if nothing is known. */
uint64_t greeting_times_longer_us(const struct greeting_times *times);

#endif
