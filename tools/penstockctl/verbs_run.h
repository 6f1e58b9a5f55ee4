/* The functions behind VERB_TABLE: each does what its verb says and returns the exit code.
 * verbs_show.c, verbs_order.c and verbs_host.c have them; main.c those about penstockctl itself. */
#ifndef PENSTOCKCTL_VERBS_RUN_H
#define PENSTOCKCTL_VERBS_RUN_H

#include "penstockctl/ask.h"
#include "penstockctl/verbs.h"

#define X(name, ...) int verb_##name(const struct options *options);
VERB_TABLE(X)
#undef X

#endif
