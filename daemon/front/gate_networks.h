/* The networks of source.trusted and source.refused, as the gate is told them. */
#ifndef PENSTOCK_FRONT_GATE_NETWORKS_H
#define PENSTOCK_FRONT_GATE_NETWORKS_H

#include "config/config.h"

struct gate;

/* Tells the gate all of them, as configured. Says in the log if it does not take all. */
void gate_networks_push(struct gate *gate, const struct config *config);

#endif
