#include "publish/disks.h"

#include <event2/buffer.h>
#include <stddef.h>

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

/* A field of each kind of each disk as one family of gauges. */
static void per_op(const struct disk_table *disks, struct evbuffer *out, const char *name,
		   const char *help, size_t offset, double unit, int kinds)
{
	evbuffer_add_printf(out, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name);
	for (unsigned i = 0; i < disks->count; i++)
		for (int o = 0; o < kinds; o++) {
			double value =
				*(const double *)((const char *)&disks->disk[i].op[o] + offset);

			if (value >= 0)
				evbuffer_add_printf(out, "%s{device=\"%s\",op=\"%s\"} %.9g\n", name,
						    disks->disk[i].name, op_names[o], value / unit);
		}
}

#define OP_FIELD(field) offsetof(struct disk, op[0].field) - offsetof(struct disk, op[0])

void disks_metrics(const struct disk_table *disks, struct evbuffer *out)
{
	per_op(disks, out, "penstock_disk_ios_per_second", "Completed requests of a disk by kind.",
	       OP_FIELD(per_s), 1, DISK_OPS);
	per_op(disks, out, "penstock_disk_bytes_per_second",
	       "Bytes read from and written to a disk.", OP_FIELD(bytes_per_s), 1, DISK_FLUSH);
	per_op(disks, out, "penstock_disk_mean_seconds",
	       "Mean time of a request from entry to completion.", OP_FIELD(mean_us), 1e6,
	       DISK_OPS);
	per_op(disks, out, "penstock_disk_p99_seconds",
	       "99th percentile of a request from entry to completion.", OP_FIELD(p99_us), 1e6,
	       DISK_OPS);
	evbuffer_add_printf(out,
			    "# HELP penstock_disk_in_flight_requests Requests that a disk has.\n"
			    "# TYPE penstock_disk_in_flight_requests gauge\n");
	for (unsigned i = 0; i < disks->count; i++)
		evbuffer_add_printf(out, "penstock_disk_in_flight_requests{device=\"%s\"} %.0f\n",
				    disks->disk[i].name, disks->disk[i].in_flight);
	evbuffer_add_printf(
		out,
		"# HELP penstock_disk_counts Whether a disk makes pressure: those of the queue "
		"directories where they are known, else all.\n# TYPE penstock_disk_counts gauge\n");
	for (unsigned i = 0; i < disks->count; i++)
		evbuffer_add_printf(out, "penstock_disk_counts{device=\"%s\"} %d\n",
				    disks->disk[i].name, disks_counts(disks, &disks->disk[i]));
}
