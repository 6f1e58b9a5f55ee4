/* The functions behind VERB_TABLE. Each carries out its verb and returns the exit code. They are in
 * verbs_show.c, verbs_order.c and verbs_host.c; main.c has those about penstockctl itself. */
#ifndef PENSTOCKCTL_VERBS_RUN_H
#define PENSTOCKCTL_VERBS_RUN_H

#include "penstockctl/ask.h"
#include "penstockctl/verbs.h"

#define X(name, ...) int verb_##name(const struct options *options);
VERB_TABLE(X)
#undef X

#endif
