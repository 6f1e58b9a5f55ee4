/* The present situation in one sentence, which comes first in every output: status, page, history.
 * It says what clients are told now; the level only says for how long that has been so.
 *
 * Example: "41 % of the new connections are deferred: memory limits what this machine can
 * carry." */
#ifndef PENSTOCK_PUBLISH_HEADLINE_H
#define PENSTOCK_PUBLISH_HEADLINE_H

#include "publish/headline_kind.h"

/* Judges the situation, and puts it into words. */
void headline_tell(const struct status *status, struct headline *ret);

#endif
