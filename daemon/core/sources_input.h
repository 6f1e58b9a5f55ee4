/* What the engine knows for the table of sources. Pure. */
#ifndef PENSTOCK_CORE_SOURCES_INPUT_H
#define PENSTOCK_CORE_SOURCES_INPUT_H

#include "core/engine.h"
#include "core/source.h"

/* What the table of sources is told of an engine that has just stepped: once a tick, before
 * source_plan(). */
void source_input_from(const struct engine *engine, const struct load *load, uint64_t now_us,
		       uint64_t realtime_us, struct source_input *ret);

#endif
