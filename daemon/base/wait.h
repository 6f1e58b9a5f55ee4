/* For a thread that works now and then, and is woken to stop. It uses the clock that is never
 * set: when the wall clock is set back, the thread must not sleep until that has caught up. */
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

/* Until `wake` is signalled, or for so long; `lock` is held. For a condition of wait_init()
 * only. */
static inline void wait_us(pthread_cond_t *wake, pthread_mutex_t *lock, uint64_t us)
{
	uint64_t until_us = clock_monotonic_us() + us;
	struct timespec until = { .tv_sec = (time_t)(until_us / US_PER_S),
				  .tv_nsec = (long)(until_us % US_PER_S) * 1000 };

	pthread_cond_timedwait(wake, lock, &until);
}

#endif
