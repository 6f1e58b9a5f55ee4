/* Keeps the gate's descriptors at the service manager, so that verdicts go on while penstockd
 * restarts. */
#ifndef PENSTOCK_FRONT_GATE_KEPT_H
#define PENSTOCK_FRONT_GATE_KEPT_H

#include <stdbool.h>

#include "kernel/gate.h"

/* Passes the descriptors of the previous penstockd to gate_open(). */
void gate_kept_take(struct gate_options *o);
/* Gives the service manager the descriptors that it does not keep yet. Whether it now keeps all of
 * this gate. */
bool gate_kept_store(const struct gate *gate);
/* Tells the service manager to forget them. */
void gate_kept_remove(void);
/* The same when no gate is wanted any more; also closes the descriptors. */
void gate_kept_forget(void);

#endif
