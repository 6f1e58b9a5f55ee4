/* /metrics: the classic Prometheus text format (0.0.4) and OpenMetrics 1.0.0, from one snapshot.
 * Bounded cardinality: no label per client. https://github.com/prometheus/docs (exposition
 * formats), OpenMetrics specification. */
#ifndef PENSTOCK_PUBLISH_METRICS_H
#define PENSTOCK_PUBLISH_METRICS_H

#include <stdbool.h>

#include "publish/process.h"
#include "publish/status.h"

struct evbuffer;

#define METRICS_TYPE_CLASSIC "text/plain; version=0.0.4; charset=utf-8"
#define METRICS_TYPE_OPENMETRICS "application/openmetrics-text; version=1.0.0; charset=utf-8"

/* `own`: the resources of penstockd itself. `now_us`: CLOCK_MONOTONIC of the request, for the age
 * of the heartbeat. */
void metrics_render(const struct status *status, const struct process *own, uint64_t now_us,
		    bool openmetrics, struct evbuffer *out);

#endif
