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
/* Whether there is too little CPU time for all. */
bool neighbour_cpus_full(const struct engine_view *view, const struct sample *sample);
/* The control group that takes CPU time while there is too little of it, though mail causes
 * pressure, too. NULL: there is enough, none takes a twentieth of a core and of what mail takes, or
 * it is not known, as with processes outside any group, of which the mail server may be one.
 * `ret_more`: whether it takes more than the mail server. */
const struct neighbour *neighbour_starves(const struct engine_view *view,
					  const struct sample *sample,
					  const struct neighbours *neighbours, bool *ret_more);
/* "backup.service takes 1.86 cores, the mail server 0.14" */
void neighbour_compare(const struct sample *sample, const struct neighbour *who, struct text *out);
/* "backup.service (/system.slice/backup.service): 93 % of the CPU time that is not the mail
 * server's (3.71 cores)" */
void neighbour_describe(enum resource resource, const struct neighbour *who, struct text *out);
/* What can be done about it, with the units' names. */
void neighbour_advise(enum resource resource, const struct neighbour *who,
		      const struct neighbours *neighbours, struct text *out);
/* What to type to find the control group if it is not known: "`systemd-cgtop -c` shows ...". */
void neighbour_search(enum resource resource, struct text *out);
/* "leaky.service (...) grows by 1.2 MiB/s and has 3.4 GiB: at its limit in 47 min" */
void neighbour_describe_leak(const struct leak *leak, struct text *out);

#endif
