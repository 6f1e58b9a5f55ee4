/* Makes the engine's configuration from the options: the only place where options become figures of
 * the law. Pure. */
#ifndef PENSTOCK_CONFIG_ENGINE_CONFIG_H
#define PENSTOCK_CONFIG_ENGINE_CONFIG_H

#include "config/config.h"
#include "core/engine.h"
#include "core/source.h"

/* `cores`: CPUs that the server may use, as far as known without its control group. */
void engine_config_from(const struct config *config, double cores, struct engine_config *ret);
/* The same for the table of sources. */
void source_config_from(const struct config *config, double cores, struct source_config *ret);

#endif
