/* Writes samples of the metrics of metric_table.h as the classic Prometheus text (0.0.4) or as
 * OpenMetrics 1.0.0. It owns neither the buffer nor the figures. */
#ifndef PENSTOCK_PUBLISH_METRIC_WRITER_H
#define PENSTOCK_PUBLISH_METRIC_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "publish/metric_table.h"

struct evbuffer;

struct metric_writer {
	struct evbuffer *out;
	bool openmetrics;
	enum metric last; /* the metric whose HELP and TYPE were written last */
};

/* Ends the labels of metric_put() and the like. Plain NULL would be undefined if it is defined as
 * 0. */
#define NO_MORE ((const char *)NULL)

void metric_writer_init(struct metric_writer *w, struct evbuffer *out, bool openmetrics);
/* Writes one sample with its labels: name, value, ..., NO_MORE. The first sample of a metric writes
 * its HELP, TYPE and UNIT, so the samples of one metric have to follow each other. A value that is
 * not a finite number is not written: unknown values are absent. */
void metric_put(struct metric_writer *w, enum metric metric, double value, ...)
	__attribute__((sentinel));
/* The same; a negative value is unknown, too. */
void metric_put_known(struct metric_writer *w, enum metric metric, double value, ...)
	__attribute__((sentinel));
/* A state set: names[which] is 1, the others 0. */
struct metric_states {
	const char *label; /* that has the name of the state */
	const char *const *names;
	unsigned count, which;
};
/* Writes a state set. `label` and `value`: one more label, or NULL. */
void metric_put_states(struct metric_writer *w, enum metric metric, const char *label,
		       const char *value, const struct metric_states *states);

/* A cumulative histogram in slots; the upper bound of slot i is bound(i). */
struct metric_histogram {
	const uint64_t *slots;
	unsigned count; /* number of slots; values in the last one are above every bound */
	double (*bound)(unsigned slot); /* upper bound of a slot, in seconds */
	unsigned from, to,
		/* buckets: each slot of from..to whose number is `every` - 1 modulo `every` */
		every;
	double sum; /* s */
};
/* From slots of microseconds (counts.h), with one bucket for each power of two. */
struct metric_histogram metric_histogram_us(const uint64_t *slots, uint64_t sum_us, unsigned from,
					    unsigned to);
void metric_put_histogram(struct metric_writer *w, enum metric metric,
			  const struct metric_histogram *histogram, ...) __attribute__((sentinel));
void metric_writer_end(struct metric_writer *w);

#endif
