/* The notes of a run. */
#ifndef PENSTOCK_SIM_NOTES_H
#define PENSTOCK_SIM_NOTES_H

#include "penstock-sim/world.h"

/* Notes the present tick. */
void notes_take(struct run *run);

#endif
