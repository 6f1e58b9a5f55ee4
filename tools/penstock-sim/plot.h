/* A run as a picture: arrivals, goodput, window, pressure, level, deferral age over time, as
 * SVG. */
#ifndef PENSTOCK_SIM_PLOT_H
#define PENSTOCK_SIM_PLOT_H

#include "penstock-sim/world.h"

/* 0, or -errno with a message on stderr. */
int plot_write(const struct run *run, const char *path);

#endif
