/* One source in words, for explain. */
#ifndef PENSTOCK_PUBLISH_EXPLAIN_SOURCES_H
#define PENSTOCK_PUBLISH_EXPLAIN_SOURCES_H

#include "base/text.h"
#include "publish/status.h"
#include "sources/sources.h"

void explain_source(const struct status *status, const struct source_snapshot *snapshot,
		    struct text *out);

#endif
