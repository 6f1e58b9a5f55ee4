#include "sensor/disk_past.h"

#include <math.h>

/* Rates are taken over this time; more frequent readings show nothing new. */
#define SPAN_US 1000000u

/* After this time without a completion a disk is ignored: its counter of requests in flight may be
 * wrong, and mail must not wait for that. */
#define STUCK_MAX_US 60e6

void disk_past_rates(struct disk_past *p, struct disk *d, const struct procparse_disk *now,
		     uint64_t now_us)
{
	const struct procparse_disk *before;
	unsigned oldest = p->readings < DISK_PAST_READINGS ? 0 : p->readings % DISK_PAST_READINGS;
	double dt_s;

	if (p->readings) {
		/* The youngest reading that is at least a span old, else the oldest one. */
		for (unsigned i = 1; i <= DISK_PAST_READINGS && i <= p->readings; i++) {
			oldest = (p->readings - i) % DISK_PAST_READINGS;
			if (now_us - p->at_us[oldest] >= SPAN_US)
				break;
		}
		before = &p->at[oldest];
		dt_s = (double)(now_us - p->at_us[oldest]) / 1e6;
		for (int o = 0; o < DISK_OPS && dt_s > 0; o++) {
			double count;

			if (now->op[o].count < before->op[o].count ||
			    now->op[o].time_ms < before->op[o].time_ms ||
			    now->op[o].bytes < before->op[o].bytes)
				continue;
			count = (double)(now->op[o].count - before->op[o].count);
			d->op[o].per_s = count / dt_s;
			d->op[o].bytes_per_s =
				(double)(now->op[o].bytes - before->op[o].bytes) / dt_s;
			if (count > 0)
				d->op[o].mean_us =
					1000.0 *
					(double)(now->op[o].time_ms - before->op[o].time_ms) /
					count;
		}
		if (dt_s > 0 && now->busy_ms >= before->busy_ms)
			d->busy_ratio =
				fmin(1, (double)(now->busy_ms - before->busy_ms) / 1000 / dt_s);
	}
	if (p->readings && now_us - p->at_us[(p->readings - 1) % DISK_PAST_READINGS] <
				   SPAN_US / DISK_PAST_READINGS)
		return;
	p->at[p->readings % DISK_PAST_READINGS] = *now;
	p->at_us[p->readings % DISK_PAST_READINGS] = now_us;
	p->readings++;
}

void disk_past_stuck(struct disk_past *p, struct disk *d, const struct procparse_disk *now,
		     uint64_t now_us)
{
	uint64_t ios = now->ios + now->op[DISK_FLUSH].count;

	if (ios != p->ios || now->in_flight == 0 || p->completed_us == 0)
		p->completed_us = now_us;
	p->ios = ios;
	d->stuck_us = (double)(now_us - p->completed_us);
	if (d->stuck_us > STUCK_MAX_US)
		d->stuck_us = -1;
}
