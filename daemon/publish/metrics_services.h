/* The metrics of each service: window, regime, rates, waits for a greeting and for a place. */
#ifndef PENSTOCK_PUBLISH_METRICS_SERVICES_H
#define PENSTOCK_PUBLISH_METRICS_SERVICES_H

#include "publish/metric_writer.h"
#include "publish/status.h"

void metrics_services(struct metric_writer *w, const struct status *s);

#endif
