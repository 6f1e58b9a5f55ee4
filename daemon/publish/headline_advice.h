/* What an operator should do in the present situation: the second part of the headline. */
#ifndef PENSTOCK_PUBLISH_HEADLINE_ADVICE_H
#define PENSTOCK_PUBLISH_HEADLINE_ADVICE_H

#include "base/text.h"
#include "publish/headline_kind.h"

/* For a headline that has been judged. `starving`: the control group that takes so much more CPU
 * time than the mail server that it should be limited; NULL: there is none. */
void headline_advise(const struct status *status, const struct headline *headline,
		     const struct neighbour *starving, struct text *out);

#endif
