#include "publish/disks.h"

#include "base/array.h"
#include "publish/metric_writer.h"

static const char *const op_names[DISK_OPS] = { "read", "write", "flush" };

static void set_if_known(json_t *object, const char *key, double value)
{
	if (value >= 0)
		json_object_set_new(object, key, json_real((double)(int64_t)(value * 1000) / 1000));
}

json_t *disks_json(const struct disk_table *disks)
{
	json_t *object = json_object();

	for (unsigned i = 0; i < disks->count; i++) {
		const struct disk *d = &disks->disk[i];
		json_t *one = json_object();

		json_object_set_new(one, "counts", json_boolean(disks_counts(disks, d)));
		if (disks->spool_known)
			json_object_set_new(one, "spool", json_boolean(d->spool));
		set_if_known(one, "in_flight", d->in_flight);
		set_if_known(one, "busy_ratio", d->busy_ratio);
		for (int o = 0; o < DISK_OPS; o++) {
			json_t *op = json_object();

			set_if_known(op, "per_s", d->op[o].per_s);
			if (o != DISK_FLUSH)
				set_if_known(op, "bytes_per_s", d->op[o].bytes_per_s);
			set_if_known(op, "mean_us", d->op[o].mean_us);
			set_if_known(op, "p99_us", d->op[o].p99_us);
			json_object_set_new(one, op_names[o], op);
		}
		json_object_set_new(object, d->name, one);
	}
	return object;
}

static double bound(unsigned slot)
{
	return (double)(1ull << slot) / 1e6;
}

/* The value of a metric for one kind of request of a disk; negative: not known. */
static double of_op(const struct disk *d, int op, enum metric metric)
{
	bool counted = d->op[op].per_s >= 0 || d->op[op].ios;

	switch (metric) {
	case METRIC_DISK_IOS:
		return counted ? (double)d->op[op].ios : -1;
	case METRIC_DISK_BYTES:
		return counted && op != DISK_FLUSH ? (double)d->op[op].bytes : -1;
	case METRIC_DISK_TIME:
		return counted ? (double)d->op[op].time_ms / 1e3 : -1;
	case METRIC_DISK_IOS_RATE:
		return d->op[op].per_s;
	case METRIC_DISK_BYTES_RATE:
		return op != DISK_FLUSH ? d->op[op].bytes_per_s : -1;
	case METRIC_DISK_MEAN:
		return d->op[op].mean_us < 0 ? -1 : d->op[op].mean_us / 1e6;
	case METRIC_DISK_P99:
		return d->op[op].p99_us < 0 ? -1 : d->op[op].p99_us / 1e6;
	default:
		return -1;
	}
}

static void histograms(const struct disk_table *disks, struct metric_writer *w)
{
	for (unsigned i = 0; i < disks->count; i++)
		for (int o = 0; o < DISK_OPS; o++) {
			const struct disk *d = &disks->disk[i];
			/* 128 us to 8.4 s by factors of four */
			struct metric_histogram h = { d->op[o].slots,
						      DISK_SLOTS,
						      bound,
						      7,
						      24,
						      2,
						      (double)d->op[o].sum_us / 1e6 };

			if (d->op[o].timed)
				metric_put_histogram(w, METRIC_DISK_LATENCY, &h, "device", d->name,
						     "op", op_names[o], NO_MORE);
		}
}

void disks_metrics(const struct disk_table *disks, struct metric_writer *w)
{
	static const enum metric each[] = { METRIC_DISK_IOS,	    METRIC_DISK_BYTES,
					    METRIC_DISK_TIME,	    METRIC_DISK_IOS_RATE,
					    METRIC_DISK_BYTES_RATE, METRIC_DISK_MEAN,
					    METRIC_DISK_P99 };

	for (unsigned m = 0; m < ARRAY_SIZE(each); m++)
		for (unsigned i = 0; i < disks->count; i++)
			for (int o = 0; o < DISK_OPS; o++)
				metric_put_known(w, each[m], of_op(&disks->disk[i], o, each[m]),
						 "device", disks->disk[i].name, "op", op_names[o],
						 NO_MORE);
	histograms(disks, w);
	for (unsigned i = 0; i < disks->count; i++)
		metric_put(w, METRIC_DISK_IN_FLIGHT, disks->disk[i].in_flight, "device",
			   disks->disk[i].name, NO_MORE);
	for (unsigned i = 0; i < disks->count; i++)
		metric_put(w, METRIC_DISK_COUNTS, disks_counts(disks, &disks->disk[i]), "device",
			   disks->disk[i].name, NO_MORE);
}
