/* The disks one by one, as JSON and as metrics. Bounded: DISKS of them. */
#ifndef PENSTOCK_PUBLISH_DISKS_H
#define PENSTOCK_PUBLISH_DISKS_H

#include <jansson.h>

#include "sensor/disks.h"

struct metric_writer;

/* {"sda": {"spool": true, "in_flight": 1, "read": {"per_s": ..., "bytes_per_s": ..., "mean_us":
 * ..., "p99_us": ...}, ...}}. Unknown values are absent. A new reference. */
json_t *disks_json(const struct disk_table *disks);
void disks_metrics(const struct disk_table *disks, struct metric_writer *w);

#endif
