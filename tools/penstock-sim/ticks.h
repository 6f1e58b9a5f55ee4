/* What a server did, tick by tick: a real one from a trace that penstockd recorded (store/trace.h),
 * or a simulated one. Both are what sensors and fronts report, so that they can be compared. */
#ifndef PENSTOCK_SIM_TICKS_H
#define PENSTOCK_SIM_TICKS_H

#include "core/load.h"
#include "core/sample.h"

/* Counts are of this tick; times are in seconds. */
struct tick {
	double at_s; /* since the first tick */
	double length_s; /* since the tick before */
	uint64_t offered, admitted, deferred, completed, finished;
	double busy_s, server_s; /* see counts.h: of all sessions, and of those that finished */
	double in_flight; /* at its end */
	double cpu_cores, filter_cores; /* below 0: not known */
};

/* Of the first service. */
struct ticks {
	struct tick *tick;
	uint32_t count, room;
	uint64_t first_us, last_us;
	struct load_service last;
};

void ticks_add(struct ticks *ticks, const struct sample *sample, const struct load *load);
/* Reads the ticks of a trace into an empty struct. 0, or -errno with a sentence in `why` (128). */
int ticks_read(struct ticks *ticks, const char *path, char *why);
void ticks_done(struct ticks *ticks);
/* When each session was offered, in us since the first tick: evenly spread over its tick. The
 * caller frees it. */
uint64_t *ticks_arrivals(const struct ticks *ticks, uint32_t *ret_count);
/* The tick that contains this time; after the end, the last one. */
const struct tick *ticks_at(const struct ticks *ticks, double at_s);
/* The cores that other programs left to the server around that time: those that it used, if that is
 * known and sessions waited for CPU; `most` otherwise. */
double ticks_cores(const struct ticks *ticks, double at_s, double most);

#endif
