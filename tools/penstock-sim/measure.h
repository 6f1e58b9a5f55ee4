/* The measurements of a run: a row for each second for the report and the plot, a ring of ticks for
 * expectations, ages of deferral. */
#ifndef PENSTOCK_SIM_MEASURE_H
#define PENSTOCK_SIM_MEASURE_H

#include <stddef.h>
#include <stdint.h>

#include "penstock-sim/clairvoyant.h"
#include "penstock-sim/oracle.h"
#include "penstock-sim/retry.h"

#define MEASURE_TICKS 16384 /* of history: 27 minutes */

struct measure_tick {
	double completed, in_time, filtered, refused, window, in_flight, pressure, capacity,
		latency, waiting_s;
};

struct measure_second {
	uint32_t fresh, offered, refused, completed, good;
	float window, in_flight, pressure, age_s; /* age: the longest wait of an admitted message */
	uint8_t level;
};

struct measure {
	struct measure_tick *tick;
	uint32_t ticks;
	struct measure_second *second;
	double *capacity; /* the plant's, each second */
	struct clairvoyant_tick *future; /* for the clairvoyant, each tick */
	uint32_t *refused; /* in each tick */
	uint32_t futures; /* ticks of these */
	uint32_t *arrived[RETRY__COUNT]; /* new mail each second */
	uint32_t seconds;
	uint32_t *age_s; /* of each message that waited */
	uint32_t ages, age_room, sorted; /* sorted: so many of them are in order */
	uint64_t bounces, lost, bounces_by[RETRY__COUNT];
	uint64_t mail, mail_delivered;
	/* mail that got in by its third attempt, and mail that did not */
	uint64_t by_third, past_third;
	/* for a fleet: attempts, in each of which hosts are tried one after the other */
	uint64_t walks;
	double in_flight_max;
	uint64_t banner_before[256],
		banner_after[256]; /* connect-to-220 at the bounds of the overload */
	uint64_t told_before[256], told_after[256]; /* the same for connection to refusal */
	double from_s, to_s; /* when the overload begins and ends */
	/* seconds (at least 1) after which a message that is admitted now is done, without load */
	uint32_t lag_s;
};

void measure_init(struct measure *measure, uint32_t seconds);
void measure_done(struct measure *measure);
static inline struct measure_second *measure_at(struct measure *m, uint64_t now_us)
{
	uint64_t s = now_us / 1000000;

	return &m->second[s < m->seconds ? s : m->seconds - 1];
}
/* The present tick; NULL: the run is over. */
static inline struct clairvoyant_tick *measure_future(struct measure *m, uint64_t since_begin_us)
{
	uint64_t at = since_begin_us / 100000;

	return at < m->futures ? &m->future[at] : NULL;
}
void measure_age(struct measure *measure, double age_s);
/* Quantile q of the ages of deferral; -1: no message waited. Sorts them. */
double measure_age_quantile(struct measure *measure, double q);

#endif
