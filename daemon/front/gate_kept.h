/* The gate's descriptors at the service manager, so that verdicts go on while penstockd is
 * restarted. */
#ifndef PENSTOCK_FRONT_GATE_KEPT_H
#define PENSTOCK_FRONT_GATE_KEPT_H

#include <stdbool.h>

#include "kernel/gate.h"

/* Hands those that the penstockd before has left to gate_open(). */
void gate_kept_take(struct gate_options *o);
/* Whether the service manager keeps all of this gate's now. */
bool gate_kept_store(const struct gate *gate);
/* It need not keep them any longer. */
void gate_kept_remove(void);
/* The same where no gate is wanted any more: they are closed, too. */
void gate_kept_forget(void);

#endif
