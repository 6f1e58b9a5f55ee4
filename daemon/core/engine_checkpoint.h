/* The engine as bytes, so that a replay of a trace can go on from where the recorder began: the
 * struct as it lies in memory, with a number for its layout. A checkpoint of another layout
 * (another build) is rejected, and the replayer begins from the configuration. Pure. */
#ifndef PENSTOCK_CORE_ENGINE_CHECKPOINT_H
#define PENSTOCK_CORE_ENGINE_CHECKPOINT_H

#include <stddef.h>

#include "core/engine.h"

/* Identifies the layout of this build: the sizes of the law's structs and the offsets of members of
 * the engine. */
uint64_t engine_layout(void);
/* Takes a checkpoint of `size` bytes (any alignment). 0; -1: it has another layout; -2: the state
 * is impossible (a figure that is used in arithmetic is out of its bounds). `*ret` is written on
 * success only. */
int engine_restore_checkpoint(const void *bytes, size_t size, uint64_t layout, struct engine *ret);

#endif
