/* The outlets of the status: the control socket and HTTP. If one cannot be opened, it is tried
 * again every few seconds. Mail never waits for one. */
#ifndef PENSTOCK_PUBLISH_OUTLETS_H
#define PENSTOCK_PUBLISH_OUTLETS_H

#include "publish/control_ops.h"

struct event_base;
struct outlets;

/* Opens none yet: outlets_step() does. All pointers stay the caller's. 0 or -ENOMEM. */
int outlets_open(struct event_base *base, const struct config *config,
		 const struct control_ops *ops, void *context, struct outlets **ret_outlets);
/* NULL is fine. */
void outlets_close(struct outlets *outlets);
/* Takes a changed configuration: HTTP moves if http.listen or http.public changed. */
void outlets_configure(struct outlets *outlets, uint64_t now_us);
/* Fills in their part of the snapshot. */
void outlets_http(const struct outlets *outlets, struct status_outlet *ret);
void outlets_control(const struct outlets *outlets, struct status_outlet *ret);
/* Adds the faults of the outlets. */
void outlets_faults(const struct outlets *outlets, struct faults *sum);
/* Once a tick: tells watchers of changes, and tries to open what is closed. */
void outlets_step(struct outlets *outlets, const struct engine_view *view, uint64_t now_us);

#endif
