/* Passes to the table of sources what the engine knows. Pure. */
#ifndef PENSTOCK_CORE_SOURCES_INPUT_H
#define PENSTOCK_CORE_SOURCES_INPUT_H

#include "core/engine.h"
#include "core/source.h"

/* Fills the input of source_plan() from an engine: once a tick, after the engine's step. */
void source_input_from(const struct engine *engine, const struct load *load, uint64_t now_us,
		       uint64_t realtime_us, struct source_input *ret);

#endif
