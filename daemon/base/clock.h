/* The clocks. They are read once a tick (daemon) or once an event (proxy); all functions called
 * from there take `now` as an argument. */
#ifndef PENSTOCK_BASE_CLOCK_H
#define PENSTOCK_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define US_PER_MS UINT64_C(1000)
#define US_PER_S UINT64_C(1000000)

static inline uint64_t clock_read_us(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * US_PER_S + (uint64_t)ts.tv_nsec / 1000;
}

static inline uint64_t clock_read_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000 * US_PER_S + (uint64_t)ts.tv_nsec;
}

/* Microseconds since boot, never stepped: every `now_us` in penstock. The same in all processes of
 * one machine. */
static inline uint64_t clock_monotonic_us(void)
{
	return clock_read_us(CLOCK_MONOTONIC);
}

/* Microseconds since 1970: only for times that people read. */
static inline uint64_t clock_realtime_us(void)
{
	return clock_read_us(CLOCK_REALTIME);
}

#endif
