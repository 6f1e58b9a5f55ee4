/* What the engine knows for the table of sources. Pure. */
#ifndef PENSTOCK_CORE_SOURCES_INPUT_H
#define PENSTOCK_CORE_SOURCES_INPUT_H

#include "core/engine.h"
#include "core/source.h"

/* Takes what the table of sources needs from an engine after its step: once a tick, before
 * source_plan(). */
void source_input_from(const struct engine *engine, const struct load *load, uint64_t now_us,
		       uint64_t realtime_us, struct source_input *ret);

#endif
