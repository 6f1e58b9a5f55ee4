/* The load and the leak of other programs, in words: shared by the JSON, explain, the page and
 * the journal. */
#ifndef PENSTOCK_PUBLISH_NEIGHBOUR_WORDS_H
#define PENSTOCK_PUBLISH_NEIGHBOUR_WORDS_H

#include "base/text.h"
#include "core/engine.h"
#include "sensor/neighbours.h"

/* The control group that causes pressure which is not mail's. NULL: mail causes it, there is
 * none, or the cause is not known. */
const struct neighbour *neighbour_who(const struct engine_view *view,
				      const struct neighbours *neighbours);
/* "backup.service (/system.slice/backup.service): 93 % of the CPU time that is not the mail
 * server's (3.71 cores)" */
void neighbour_describe(enum resource resource, const struct neighbour *who, struct text *out);
/* What can be done about it, with the units' names. */
void neighbour_advise(enum resource resource, const struct neighbour *who,
		      const struct neighbours *neighbours, struct text *out);
/* "leaky.service (...) grows by 1.2 MiB/s and has 3.4 GiB: at its limit in 47 min" */
void neighbour_describe_leak(const struct leak *leak, struct text *out);

#endif
