/* penstockd --support: what this kernel and this privilege allow, signal by signal, and what is
 * used instead. Not the running daemon: opens the sensors as it would, polls them for about a
 * second, closes them. */
#ifndef PENSTOCK_PUBLISH_SUPPORT_H
#define PENSTOCK_PUBLISH_SUPPORT_H

#include "config/config.h"

struct text;
void support_print(const struct config *config, struct text *out);

#endif
