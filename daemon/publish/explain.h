/* The chain from signal to reply in words: what `penstockctl explain [ADDRESS]` prints. */
#ifndef PENSTOCK_PUBLISH_EXPLAIN_H
#define PENSTOCK_PUBLISH_EXPLAIN_H

#include "base/text.h"
#include "sources/sources.h"
#include "publish/status.h"

/* `address` NULL: the host; else the verdict that it would get now, too. `picture`: what is known
 * of that source, NULL: it is not told. */
void explain_status(const struct status *status, const struct in6_addr *address,
		    const struct source_picture *picture, struct text *out);

#endif
