/* Turns the tasks in one place of the kernel into two signals: how many are there on average, and
 * how many enter a second. They are taken over about the last second, from the youngest reading
 * that is at least so old. */
#ifndef PENSTOCK_SENSOR_SPAN_RATE_H
#define PENSTOCK_SENSOR_SPAN_RATE_H

#include "core/sample.h"
#include "kernel/kernel.h"

#define SPAN_RATE_KEPT 8
#define SPAN_RATE_SPAN_US 1000000u

struct span_rate {
	struct {
		uint64_t us, entered, spent_us;
	} at[SPAN_RATE_KEPT];
	unsigned readings;
};

static inline void span_rate_put(struct span_rate *rate, const struct kernel_spans *now,
				 uint64_t now_us, struct sample *sample, enum signal tasks,
				 enum signal per_s)
{
	unsigned last = rate->readings ? (rate->readings - 1) % SPAN_RATE_KEPT : 0, i = last;
	double dt_us;

	if (rate->readings) {
		for (unsigned back = 1; back <= SPAN_RATE_KEPT && back <= rate->readings; back++) {
			i = (rate->readings - back) % SPAN_RATE_KEPT;
			if (now_us - rate->at[i].us >= SPAN_RATE_SPAN_US)
				break;
		}
		dt_us = (double)(now_us - rate->at[i].us);
		/* Open spans are read without a lock: a sum that went backwards gives no value this
		 * time. */
		if (dt_us > 0 && now->entered >= rate->at[i].entered)
			sample_put(sample, per_s,
				   (double)(now->entered - rate->at[i].entered) * 1e6 / dt_us,
				   VIA_BPF);
		if (dt_us > 0 && now->spent_us >= rate->at[i].spent_us)
			sample_put(sample, tasks,
				   (double)(now->spent_us - rate->at[i].spent_us) / dt_us, VIA_BPF);
		if (now_us - rate->at[last].us < SPAN_RATE_SPAN_US / SPAN_RATE_KEPT)
			return;
	}
	i = rate->readings++ % SPAN_RATE_KEPT;
	rate->at[i].us = now_us;
	rate->at[i].entered = now->entered;
	rate->at[i].spent_us = now->spent_us;
}

#endif
