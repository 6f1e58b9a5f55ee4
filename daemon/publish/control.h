/* The control socket: Varlink, interface io.penstock, on RUN_DIR/control.sock. Every user may read
 * the state; sources and changes need root or the configured group (SO_PEERCRED). penstockd accepts
 * the connections; two processes without privilege parse what comes over them (control_wire.h). */
#ifndef PENSTOCK_PUBLISH_CONTROL_H
#define PENSTOCK_PUBLISH_CONTROL_H

#include "publish/control_ops.h"

struct event_base;
struct control;

int control_open(struct event_base *base, const struct config *config,
		 const struct control_ops *ops, void *context, struct control **ret_control,
		 char *why);
/* Once a tick: informs watchers of a changed level, state or mode, and starts a process that parses
 * calls again if it has ended. */
void control_step(struct control *control, const struct engine_view *view, uint64_t now_us);
/* Whether the processes that parse calls are ready. */
bool control_is_up(const struct control *control);
/* How often a process was started again. */
uint64_t control_restarts(const struct control *control);
const struct faults *control_faults(const struct control *control);
void control_close(struct control *control);

#endif
