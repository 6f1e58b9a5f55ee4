/* What a new connection is told now, in words. While a part is deferred: which share, for which
 * reasons, and what the deferred are told.
 *
 * Example: "5. A new connection now: 41 % are deferred (a mean over two seconds, as in status); in
 * the last ten seconds: cpu 90 %, source 10 %", "one of them: deferred, the admission rate is used
 * up at this moment; reason cpu: ..." */
#ifndef PENSTOCK_PUBLISH_EXPLAIN_VERDICT_H
#define PENSTOCK_PUBLISH_EXPLAIN_VERDICT_H

#include "base/text.h"
#include "publish/status.h"
#include "sources/sources.h"

/* For service `i` and a client in those networks; `snapshot`: what is known of it; NULL:
 * nothing. */
void explain_verdict(const struct status *status, unsigned i, bool trusted, bool refused,
		     const struct source_snapshot *snapshot, struct text *out);

#endif
