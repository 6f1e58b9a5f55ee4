/* What a probe counts as open, read while it changes: the user-space part of span_begin() and
 * span_end() (bpf/spans.h) and of set_busy() (bpf/smtp_turn.h). */
#ifndef PENSTOCK_KERNEL_OPEN_SUM_H
#define PENSTOCK_KERNEL_OPEN_SUM_H

#include <stdint.h>

#include "base/clock.h"

/* The numbers of one count. */
struct open_sum {
	int64_t count; /* what is open */
	uint64_t finished_ns; /* time of what has ended */
	uint64_t since_ns; /* sum of the beginnings of what is open, modulo 2^64 */
};

/* How often a reading is repeated that a probe disturbs. A change takes some nanoseconds; one that
 * a hypervisor stops in the middle takes longer, and then what was read last is taken, of which the
 * open part counts as nothing. */
#define OPEN_SUM_TRIES 1000

/* Is `first` a state that really was? `second`: the same numbers, read after it. `now_ns`:
 * CLOCK_MONOTONIC, read after both.
 *
 * A probe makes a change in three steps. When something begins, it adds to `since` first and to
 * `count` last; when it ends, it takes from `count` first, adds to `finished`, and takes from
 * `since` last. So a state in the middle of a change has a `since` that is too large by the time of
 * a beginning, and nothing can be open for less than no time. A change between the reads of `first`
 * shows in `second`. Pure. */
static inline int open_sum_is_whole(const struct open_sum *first, const struct open_sum *second,
				    uint64_t now_ns)
{
	return first->count == second->count && first->finished_ns == second->finished_ns &&
	       first->since_ns == second->since_ns && first->count >= 0 &&
	       (int64_t)((uint64_t)first->count * now_ns - first->since_ns) >= 0;
}

static inline struct open_sum open_sum_take(const int64_t *count, const int64_t *less,
					    const uint64_t *finished_ns, const uint64_t *since_ns)
{
	struct open_sum sum;

	sum.count = __atomic_load_n(count, __ATOMIC_ACQUIRE);
	if (less)
		sum.count -= __atomic_load_n(less, __ATOMIC_ACQUIRE);
	sum.finished_ns = __atomic_load_n(finished_ns, __ATOMIC_ACQUIRE);
	sum.since_ns = __atomic_load_n(since_ns, __ATOMIC_ACQUIRE);
	return sum;
}

/* Reads a sum that probes change meanwhile. `less`: taken from the count; NULL: nothing. */
static inline struct open_sum open_sum_read(const int64_t *count, const int64_t *less,
					    const uint64_t *finished_ns, const uint64_t *since_ns)
{
	struct open_sum first, second = open_sum_take(count, less, finished_ns, since_ns);
	unsigned tries = 0;

	do {
		first = second;
		second = open_sum_take(count, less, finished_ns, since_ns);
	} while (!open_sum_is_whole(&first, &second, clock_read_ns(CLOCK_MONOTONIC)) &&
		 ++tries < OPEN_SUM_TRIES);
	return first;
}

/* How long all that is open has been open at `now_ns`, summed, in ns. What began after `now_ns` was
 * taken counts as nothing. Pure. */
static inline uint64_t open_sum_ns(const struct open_sum *sum, uint64_t now_ns)
{
	int64_t open_ns = (int64_t)((uint64_t)sum->count * now_ns - sum->since_ns);

	return sum->count > 0 && open_ns > 0 ? (uint64_t)open_ns : 0;
}

#endif
