#include "core/fleet_host.h"

#define DEMAND_MAX .8f /* of what the host can carry: above this it has no room */

/* What is offered, divided by what can be carried, over all services that are shed. */
static float demand_of(const struct engine_view *view)
{
	double offered = 0, capacity = 0;

	for (unsigned i = 0; i < PLAN_SERVICES; i++)
		if (view->window[i].capacity_per_s > 0) {
			offered += view->window[i].offered_per_s;
			capacity += view->window[i].capacity_per_s;
		}
	return capacity > 0 ? (float)(offered / capacity) : -1;
}

void fleet_host_from(const struct engine_view *view, struct fleet_host *ret)
{
	*ret = (struct fleet_host){
		/* As the fronts round it: window_plan(). */
		.window = view->window_sum < 0	   ? -1
			  : view->window_sum < 1e9 ? (int32_t)(view->window_sum + .5)
						   : 1000000000,
		.in_flight = view->in_flight > 0 ? (uint32_t)view->in_flight : 0,
		.demand = demand_of(view),
		.level = (uint8_t)view->level.number,
		.state = (uint8_t)view->state,
		.observes = view->mode == PLAN_OBSERVE,
	};
}

bool fleet_host_has_room(const struct fleet_host *h)
{
	return h->state == STATE_SERVING && h->level == LEVEL_NORMAL && h->demand < DEMAND_MAX &&
	       (h->window < 0 || (uint64_t)h->in_flight * 2 <= (uint64_t)h->window);
}

void fleet_shorten_wait(struct plan *plan)
{
	for (unsigned i = 0; i < plan->services && i < PLAN_SERVICES; i++)
		if (plan->service[i].hold_us > FLEET_WALK_US)
			plan->service[i].hold_us = FLEET_WALK_US;
}
