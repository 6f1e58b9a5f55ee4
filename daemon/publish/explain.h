/* The chain from signal to reply in words: what `penstockctl explain [ADDRESS]` prints. */
#ifndef PENSTOCK_PUBLISH_EXPLAIN_H
#define PENSTOCK_PUBLISH_EXPLAIN_H

#include "base/text.h"
#include "sources/sources.h"
#include "publish/status.h"

/* `address` NULL: the host only; else also the verdict that this address would get now. `snapshot`:
 * what is known of that source; NULL: the reader may not see it. */
void explain_status(const struct status *status, const struct in6_addr *address,
		    const struct source_snapshot *snapshot, struct text *out);

#endif
