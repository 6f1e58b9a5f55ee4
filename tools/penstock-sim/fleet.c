/* The messages between the hosts of a fleet, by the daemon's own rules (core/fleet.h,
 * core/fleet_ledger.h). The store takes the messages of each host once a second and delivers them a
 * second later; or there is no store. */
#include "penstock-sim/fleet.h"

#include <stdlib.h>

#include "base/array.h"
#include "base/cleanup.h"
#include "core/fleet_ledger.h"
#include "penstock-sim/grow.h"

#define QUEUE 65536u /* as the daemon's */
#define EPOCH_S 1800000000u /* CLOCK_REALTIME when virtual time began */

static uint32_t wall_s(const struct run *r)
{
	return EPOCH_S + (uint32_t)(r->now_us / 1000000);
}

/* Called with the events that the law has taken. */
static void on_events(void *context, const struct source_event *events, unsigned count,
		      uint64_t now_us)
{
	struct host *h = context;

	fleet_ledger_events(h->law.sources, &h->memory, events, count, now_us, wall_s(h->run));
}

void fleet_begin(struct host *h)
{
	uint64_t slots = (uint64_t)h->run->scenario.fleet_memory_bytes / sizeof(struct fleet_slot);

	h->says.level = LEVEL_CRITICAL;
	if (!run_is_fleet(h->run) || !h->law.sources)
		return;
	for (h->memory.sets = 1; (uint64_t)h->memory.sets * 2 * FLEET_SET_SLOTS <= slots;)
		h->memory.sets *= 2;
	h->memory.slots =
		grow_zeroed((size_t)h->memory.sets * FLEET_SET_SLOTS, sizeof(*h->memory.slots));
	h->memory.queue_size = QUEUE;
	h->memory.queue = grow_zeroed(QUEUE, sizeof(*h->memory.queue));
	h->law.epoch_us = EPOCH_S * UINT64_C(1000000);
	h->law.on_events = on_events;
	h->law.context = h;
}

void fleet_end(struct host *h)
{
	free(h->memory.slots);
	free(h->memory.queue);
}

static void hear(struct host *to, const struct host *from)
{
	for (unsigned i = 0; i < from->saids; i++)
		fleet_ledger_take(to->law.sources, &to->memory, &from->said[i], to->run->now_us,
				  wall_s(to->run));
}

/* Whether another host has room. A silent host has level CRITICAL, and no room. */
static bool has_room_elsewhere(const struct run *r, const struct host *of)
{
	for (unsigned i = 0; i < r->hosts; i++)
		if (i != of->index && fleet_host_has_room(&r->host[i].says))
			return true;
	return false;
}

/* Delivers the messages of a second ago, and collects the new ones. A host that is down, or whose
 * daemon hangs, neither gets nor sends any. */
void fleet_exchange(struct run *r)
{
	for (unsigned i = 0; i < r->hosts; i++) {
		struct host *to = &r->host[i];

		for (unsigned j = 0; j < r->hosts; j++)
			if (j != i && to->law.sources && to->down <= 0 && to->hung <= 0)
				hear(to, &r->host[j]);
		to->elsewhere = r->steering > 0 && r->store > 0 && has_room_elsewhere(r, to);
	}
	for (unsigned i = 0; i < r->hosts; i++) {
		struct host *h = &r->host[i];
		bool says = r->store > 0 && h->law.sources && h->down <= 0 && h->hung <= 0;

		if (says)
			fleet_host_from(&h->law.engine.view, &h->says);
		else
			h->says.level = LEVEL_CRITICAL;
		h->saids = says ? fleet_changes(&h->memory, h->said, ARRAY_SIZE(h->said)) : 0;
		h->messages += (h->saids + FLEET_FRAME_RECORDS - 1) / FLEET_FRAME_RECORDS;
		h->records += h->saids;
	}
}
