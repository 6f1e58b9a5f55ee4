/* The fronts of this process: which are wanted, which are open, and when to try again to open one.
 * Mail never waits for a front. */
#ifndef PENSTOCK_FRONT_FRONTS_H
#define PENSTOCK_FRONT_FRONTS_H

#include "front/front.h"

struct fronts;

/* Opens none yet: fronts_push() does. `env` stays the caller's, and gets the process for those that
 * are asked over sockets. 0 or -ENOMEM. */
int fronts_open(struct front_env *env, struct fronts **ret_fronts);
/* This process ends: see front_ops.drain and FRONT_RESTART. NULL is fine. */
void fronts_close(struct fronts *fronts);
/* env->config has changed; `before` is the old configuration. Fronts that cannot take the change
 * are closed and opened again. */
void fronts_configure(struct fronts *fronts, const struct config *before, uint64_t now_us);
/* Once a tick, before the engine: adds what the open fronts count to `load`. */
void fronts_poll(struct fronts *fronts, uint64_t now_us, struct load *load);
/* Once a tick, with the plan: passes it to the open fronts, opens each wanted front that is closed
 * once it may be tried again, and goes on with the process for those that are asked. */
void fronts_push(struct fronts *fronts, const struct plan *plan, const struct load *load,
		 uint64_t now_us);
/* A front has refused a client: the other fronts are told. */
void fronts_refused(struct fronts *fronts, const struct front_client *client);
/* The inode of the network namespace of the sessions, 0: none is configured. False: no front has
 * looked yet. */
bool fronts_netns(const struct fronts *fronts, uint32_t *ret_netns);

/* The fronts that are wanted, for the status. */
struct fronts_view {
	const struct counts *counts;
	struct front_state state;
};
unsigned fronts_count(const struct fronts *fronts);
/* False: there is no front with this index that is wanted. */
bool fronts_view(const struct fronts *fronts, unsigned index, struct fronts_view *ret);

#endif
