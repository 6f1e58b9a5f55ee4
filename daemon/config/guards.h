/* The fronts that refuse clients, as they are configured: each section front.NAME that has the
 * option `enabled`. They come from the table of options, so that a new front needs no other
 * list. */
#ifndef PENSTOCK_CONFIG_GUARDS_H
#define PENSTOCK_CONFIG_GUARDS_H

#include "config/config.h"

struct config_guard {
	const char *name; /* "gate" */
	const char *service; /* the name of the service whose load decides; in `config` */
	bool enabled;
};

/* The front at `index`, in the order of the table. False: there are no more. */
bool config_guard(const struct config *config, unsigned index, struct config_guard *ret_guard);

#endif
