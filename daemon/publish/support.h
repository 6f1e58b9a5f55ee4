/* penstockd --support: what this kernel and this privilege allow, signal by signal, and what is
 * used instead. It does not ask the running daemon: it opens the sensors as the daemon would, polls
 * them for about a second, and closes them. */
#ifndef PENSTOCK_PUBLISH_SUPPORT_H
#define PENSTOCK_PUBLISH_SUPPORT_H

#include "config/config.h"

struct text;
void support_print(const struct config *config, struct text *out);

#endif
