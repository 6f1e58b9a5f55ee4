/* What a host of a fleet reports about itself, and what the others make of it. Pure.
 *
 * A host that is drained refuses at once. A full host makes clients wait for a place (core/room.h),
 * for some seconds if necessary. If another host has room, such a wait is too long, because a
 * refused sender tries the next MX within a second. Then no client waits for longer than a second.
 *
 * Example: mx1 would let a client wait for up to 5 s, mx2 has room. Places come free on mx1 at 10 a
 * second. The ninth in the queue waits. The tenth has to expect 1 s and is refused with 451. */
#ifndef PENSTOCK_CORE_FLEET_HOST_H
#define PENSTOCK_CORE_FLEET_HOST_H

#include "core/engine.h"
#include "core/fleet.h"

#define FLEET_WALK_US 1000000u /* time from a refusal to the greeting of the next MX */
#define FLEET_HEARD_US 3000000u /* a report is valid for so long; a host sends one each second */

/* What this host reports of itself. The caller fills in name, id and time. */
void fleet_host_from(const struct engine_view *view, struct fleet_host *ret);
/* Whether the host serves, refuses no client, and has half of its window left. */
bool fleet_host_has_room(const struct fleet_host *host);
/* Call it when another host has room: limits the wait in the plan to the time that a sender needs
 * to reach that host. */
void fleet_shorten_wait(struct plan *plan);

#endif
