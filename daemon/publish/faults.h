/* The faults that fronts have met (core/fault.h), as JSON and as text for people. */
#ifndef PENSTOCK_PUBLISH_FAULTS_H
#define PENSTOCK_PUBLISH_FAULTS_H

#include <jansson.h>

#include "publish/status.h"

struct text;

/* {"backend_silent": {"count": 3, "last_s": 12.5, "what": ..., "consequence": ..., "remedy": ...}}:
 * those that happened; shared_address with its "address", if the status has it. */
json_t *faults_json(const struct status *status);
/* Whether it happened in the last 15 minutes. `ret_age_s`: seconds since it did last. */
bool faults_lately(const struct status *status, enum fault fault, double *ret_age_s);
/* One paragraph a fault of the last 15 minutes; nothing when there was none. */
void faults_explain(const struct status *status, struct text *out);

#endif
