/* For a thread that works from time to time, and is woken up to stop. It waits by CLOCK_MONOTONIC:
 * if the wall clock is set back, the thread must not sleep until that clock has caught up. */
#ifndef PENSTOCK_BASE_WAIT_H
#define PENSTOCK_BASE_WAIT_H

#include <pthread.h>

#include "base/clock.h"

static inline void wait_init(pthread_cond_t *wake)
{
	pthread_condattr_t attributes;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(wake, &attributes);
	pthread_condattr_destroy(&attributes);
}

/* Waits until `wake` is signalled, or until the time is over. The caller holds `lock`. The
 * condition must be from wait_init(). */
static inline void wait_us(pthread_cond_t *wake, pthread_mutex_t *lock, uint64_t us)
{
	uint64_t until_us = clock_monotonic_us() + us;
	struct timespec until = { .tv_sec = (time_t)(until_us / US_PER_S),
				  .tv_nsec = (long)(until_us % US_PER_S) * 1000 };

	pthread_cond_timedwait(wake, lock, &until);
}

#endif
